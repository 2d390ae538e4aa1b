//! A JSON-RPC proxy that misbehaves, between a settler and its node.
//!
//! Speaks HTTP/1.1 with one request a connection. Which fault a request meets is drawn by the dice;
//! some faults are for some methods only, since only those can be stale or underpriced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, Bytes};
use serde_json::{Value, json};
use server::app::pause;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::node::{Node, quantity};
use crate::plain_http;

/// A stale answer is of a chain at most so many blocks shorter.
const STALE_BLOCKS: u64 = 6;

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// The node did it, the answer is lost.
    DropReply,
    /// It takes long.
    Delay,
    /// The node did it, the answer is 502.
    ErrorAfter,
    /// The node gets it twice.
    Duplicate,
    /// Answered from an older view of the chain.
    Stale,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: Node,
    dice: Dice,
    percent: u64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    offers: Mutex<BTreeMap<(Address, u64), (u128, u128)>>,
}

impl Proxy {
    /// Listens on a free port; `percent` of the requests meet a fault. Underpriced replacements are
    /// always refused: real nodes demand a tenth more, this development chain less.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(
        node: Node,
        percent: u64,
        seed: u64,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            node,
            dice: Dice::new(seed),
            percent,
            counts: Mutex::default(),
            offers: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                if let Ok((stream, _)) = accepted {
                    let shared = Arc::clone(&serving);
                    // A connection that breaks is the settler's to try again.
                    tokio::spawn(async move { shared.serve(stream).await.ok() });
                }
            }
        });
        Ok(Self { url, shared })
    }

    /// The proxy's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often what happened.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    fn count(&self, what: &'static str) {
        *self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(what)
            .or_default() += 1;
    }

    fn draw(&self, method: &str) -> Fault {
        if self.dice.below(100) >= self.percent {
            return Fault::None;
        }
        let all = [
            Fault::DropReply,
            Fault::Delay,
            Fault::ErrorAfter,
            Fault::Duplicate,
            Fault::Stale,
        ];
        let drawn = usize::try_from(self.dice.below(5)).map_or(Fault::None, |at| all[at]);
        let is_read_at_tag = matches!(
            method,
            "eth_getBlockByNumber"
                | "eth_getTransactionCount"
                | "eth_getTransactionReceipt"
                | "eth_getTransactionByHash"
        );
        // What cannot be stale loses its answer.
        if drawn == Fault::Stale && !is_read_at_tag {
            Fault::DropReply
        } else {
            drawn
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut request: Value =
            serde_json::from_slice(&plain_http::read(&mut stream).await?.body)?;
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        self.count("requests");
        if method == "eth_sendRawTransaction"
            && let Some(refusal) = self.underpriced(&request)?
        {
            self.count("refused_underpriced");
            return answer(&mut stream, 200, &refusal).await;
        }
        match self.draw(&method) {
            Fault::None => {
                let reply = self.node.forward(&request).await?;
                answer(&mut stream, 200, &reply).await
            }
            Fault::DropReply => {
                self.count("reply_dropped");
                self.node.forward(&request).await?;
                Ok(())
            }
            Fault::Delay => {
                self.count("delayed");
                let reply = self.node.forward(&request).await?;
                pause(Duration::from_millis(50 + self.dice.below(250))).await;
                answer(&mut stream, 200, &reply).await
            }
            Fault::ErrorAfter => {
                self.count("error_after_acceptance");
                self.node.forward(&request).await?;
                answer(&mut stream, 502, &json!({ "error": "bad gateway" })).await
            }
            Fault::Duplicate => {
                self.count("duplicated");
                self.node.forward(&request).await?;
                let reply = self.node.forward(&request).await?;
                answer(&mut stream, 200, &reply).await
            }
            Fault::Stale => {
                self.count("stale");
                let reply = self.stale(&method, &mut request).await?;
                answer(&mut stream, 200, &reply).await
            }
        }
    }

    /// The answer of a node that is some blocks behind.
    async fn stale(&self, method: &str, request: &mut Value) -> anyhow::Result<Value> {
        let behind = 1 + self.dice.below(STALE_BLOCKS);
        let place = if method == "eth_getBlockByNumber" {
            0
        } else {
            1
        };
        let tag = request["params"][place]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if matches!(tag.as_str(), "latest" | "finalized") {
            let block = self
                .node
                .call("eth_getBlockByNumber", json!([tag, false]))
                .await?;
            let number = quantity(&block["number"])?.saturating_sub(behind);
            request["params"][place] = json!(format!("{number:#x}"));
            return self.node.forward(request).await;
        }
        let mut reply = self.node.forward(request).await?;
        let newest = self.node.newest().await?.0;
        let mined = quantity(&reply["result"]["blockNumber"]).ok();
        if mined.is_some_and(|mined| mined.saturating_add(behind) > newest) {
            reply["result"] = Value::Null;
        }
        Ok(reply)
    }

    /// The refusal of a replacement that offers less than a tenth more in both fees.
    fn underpriced(&self, request: &Value) -> anyhow::Result<Option<Value>> {
        let raw: Bytes = serde_json::from_value(request["params"][0].clone())?;
        let transaction = TxEnvelope::decode_2718(&mut raw.as_ref())?;
        let signed = transaction.signature_hash();
        let sender = transaction
            .signature()
            .recover_address_from_prehash(&signed)?;
        let offered = (
            transaction.max_fee_per_gas(),
            transaction.max_priority_fee_per_gas().unwrap_or(0),
        );
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (sender, transaction.nonce());
        let enough = |new: u128, old: u128| new.saturating_mul(10) >= old.saturating_mul(11);
        match offers.get(&place).copied() {
            Some(before) if before == offered => {}
            Some((max, tip)) if !(enough(offered.0, max) && enough(offered.1, tip)) => {
                let error =
                    json!({ "code": -32_000, "message": "replacement transaction underpriced" });
                return Ok(Some(
                    json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }),
                ));
            }
            Some(_) => {
                self.count("replacements_taken");
                offers.insert(place, offered);
            }
            None => {
                offers.insert(place, offered);
            }
        }
        Ok(None)
    }
}

async fn answer(stream: &mut TcpStream, status: u16, body: &Value) -> anyhow::Result<()> {
    plain_http::answer(stream, status, &body.to_string()).await
}
