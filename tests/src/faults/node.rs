//! JSON-RPC to a development chain, beside the server's own client: commands, raw questions, logs.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, Log, LogData};
use alloy::sol_types::SolEvent;
use anyhow::Context;
use serde_json::{Value, json};

/// Longer than any command of the suite takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A node's address and a client for it.
#[derive(Clone, Debug)]
pub struct Node {
    client: reqwest::Client,
    url: String,
}

impl Node {
    /// Of this address; nothing is asked yet.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url: url.to_owned(),
        })
    }

    /// Asks or commands.
    ///
    /// # Errors
    /// When the node does not answer or refuses; the message has what it said.
    pub async fn call(&self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        let answer = self.post(&body(method, &parameters)).await?;
        result(method, answer)
    }

    /// Commands in one request, in this order.
    ///
    /// # Errors
    /// When the node does not answer, or refuses one.
    pub async fn commands(&self, all: &[(&str, Value)]) -> anyhow::Result<()> {
        let bodies: Vec<Value> = all
            .iter()
            .map(|(method, values)| body(method, values))
            .collect();
        let answers = self.post(&Value::Array(bodies)).await?;
        for (answer, (method, _)) in answers.as_array().context("a list")?.iter().zip(all) {
            result(method, answer.clone())?;
        }
        Ok(())
    }

    /// Bytes forwarded as they are; the answer as it came.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn forward(&self, body: &Value) -> anyhow::Result<Value> {
        self.post(body).await
    }

    /// Height and time of the newest block.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn newest(&self) -> anyhow::Result<(u64, u64)> {
        let block = self
            .call("eth_getBlockByNumber", json!(["latest", false]))
            .await?;
        Ok((quantity(&block["number"])?, quantity(&block["timestamp"])?))
    }

    /// The hash of the block at a height.
    ///
    /// # Errors
    /// As [`Node::call`], and when there is none.
    pub async fn hash_at(&self, number: u64) -> anyhow::Result<String> {
        let block = self
            .call(
                "eth_getBlockByNumber",
                json!([format!("{number:#x}"), false]),
            )
            .await?;
        Ok(block["hash"].as_str().context("no such block")?.to_owned())
    }

    /// Every event `E` of a contract since the first block, with its transaction.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn events<E: SolEvent>(&self, contract: Address) -> anyhow::Result<Vec<(E, B256)>> {
        let filter = json!([{ "address": contract, "fromBlock": "0x0", "toBlock": "latest", "topics": [E::SIGNATURE_HASH] }]);
        let logs = self.call("eth_getLogs", filter).await?;
        let logs = logs.as_array().context("a list of logs")?;
        logs.iter()
            .map(|log| {
                let topics: Vec<B256> = serde_json::from_value(log["topics"].clone())?;
                let data: Bytes = serde_json::from_value(log["data"].clone())?;
                let tx: B256 = serde_json::from_value(log["transactionHash"].clone())?;
                let inner = LogData::new(topics, data).context("a log has at most four topics")?;
                let event = E::decode_log(&Log {
                    address: contract,
                    data: inner,
                })?;
                Ok((event.data, tx))
            })
            .collect()
    }

    /// The call data of a mined transaction.
    ///
    /// # Errors
    /// As [`Node::call`], and when there is none.
    pub async fn calldata(&self, tx: B256) -> anyhow::Result<Bytes> {
        let found = self.call("eth_getTransactionByHash", json!([tx])).await?;
        serde_json::from_value(found["input"].clone())
            .with_context(|| format!("no transaction {tx}"))
    }

    async fn post(&self, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(&self.url).json(body);
        Ok(request.send().await?.json().await?)
    }
}

fn body(method: &str, parameters: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters })
}

fn result(method: &str, mut answer: Value) -> anyhow::Result<Value> {
    if let Some(error) = answer.get("error") {
        anyhow::bail!("{method}: {error}");
    }
    Ok(answer["result"].take())
}

/// A number as JSON-RPC writes it.
///
/// # Errors
/// When it is none.
pub fn quantity(value: &Value) -> anyhow::Result<u64> {
    let text = value.as_str().context("a quantity is a text")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}
