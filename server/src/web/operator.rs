//! `GET /operator`: how settlement stands, for whoever runs it. Read-only; shows no key, no signed
//! bytes and nothing that a round still hides.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::timestamp::SECOND_US;
use domain::{Delta, MarketClock, WallClock};

use super::error::WebError;
use super::frame::{Frame, show};
use super::operator_intents::{self, ClosedRow, OpenRow};
use super::text;
use crate::app::App;
use crate::chain::{self, Deployment, Head};
use crate::db::Conn;
use crate::ledger::{self, Total};
use crate::runners::{self, ComparisonState, fleet};
use crate::settlement::{self, Halt, Holder, KeyState, OnItsWay, Reconciliation};

/// Closed transactions and comparisons shown.
const SHOWN: i64 = 12;

#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorView {
    frame: Frame,
    halt: Option<HaltView>,
    clock_alert: Option<String>,
    misfits: Vec<String>,
    facts: Vec<Fact>,
    open: Vec<OpenRow>,
    closed: Vec<ClosedRow>,
    batch: Option<BatchView>,
    keys: Vec<KeyRow>,
    accounts: Vec<AccountRow>,
    sum: String,
    is_balanced: bool,
    comparisons: Vec<ComparisonRow>,
}

struct HaltView {
    reason: String,
    since: String,
    age: String,
}

struct Fact {
    name: &'static str,
    value: String,
    note: String,
}

struct BatchView {
    seq: i64,
    attempt: i64,
    state: &'static str,
    rounds: String,
    burned: String,
    deadlines: Vec<Deadline>,
}

struct Deadline {
    name: &'static str,
    at: String,
    until_us: i64,
    left: String,
    past: &'static str,
}

struct KeyRow {
    role: &'static str,
    signer: String,
    next_nonce: String,
    balance: String,
    age: String,
}

struct AccountRow {
    kind: &'static str,
    what: &'static str,
    accounts: String,
    balance: String,
    exact: String,
}

struct ComparisonRow {
    at: String,
    block: String,
    is_equal: bool,
    ledger: String,
    chain: String,
    differs: String,
}

/// Now, on both clocks.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) market_us: i64,
    pub(super) wall_us: i64,
}

impl Now {
    fn of(market: &MarketClock, wall: &WallClock) -> Self {
        Self {
            market_us: market.now_us(),
            wall_us: wall.now_us(),
        }
    }
}

/// `GET /operator`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let mut conn = app.db.read().await?;
    let now = Now::of(&app.market, &app.wall);
    let halt = settlement::halted(&mut conn).await?;
    let totals = ledger::totals(&mut conn).await?;
    let imbalance = ledger::imbalance(&totals);
    let (misfits, batch) = match &app.deployment {
        Some(on) => (
            settlement::all_misfits(&mut conn, on).await?,
            settlement::on_its_way(&mut conn, on).await?,
        ),
        None => (Vec::new(), None),
    };
    let keys = settlement::keys(&mut conn).await?;
    let comparisons = settlement::reconciliations(&mut conn, SHOWN).await?;
    show(&OperatorView {
        frame: Frame::new(&app, "Operator", "/operator"),
        facts: facts(&mut conn, now, halt.as_ref(), comparisons.first()).await?,
        halt: halt.map(|halt| halt_view(&halt, now)),
        clock_alert: app.feeds.as_ref().and_then(|board| board.clock_alert()),
        misfits,
        open: operator_intents::open(&mut conn, now).await?,
        closed: operator_intents::closed(&mut conn, now, SHOWN).await?,
        batch: batch.map(|batch| batch_view(&batch, now)),
        keys: keys
            .iter()
            .map(|key| key_row(key, app.deployment.as_ref(), now))
            .collect(),
        accounts: totals.iter().map(account_row).collect(),
        sum: format!("{imbalance} units"),
        is_balanced: imbalance == 0,
        comparisons: comparison_rows(&comparisons),
    })
}

async fn facts(
    conn: &mut Conn,
    now: Now,
    halt: Option<&Halt>,
    last: Option<&Reconciliation>,
) -> Result<Vec<Fact>, WebError> {
    let latest = chain::newest_head(conn).await?;
    let last_final = chain::final_head(conn).await?;
    let block = |name, head: Option<Head>| Fact {
        name,
        value: head.map_or("none yet".to_owned(), |head| {
            format!("block {}", text::grouped(&head.number.to_string()))
        }),
        note: head.map_or(String::new(), |head| {
            ago(now.market_us - head.time_s * SECOND_US, "market")
        }),
    };
    Ok(vec![
        Fact {
            name: "Settlement",
            value: if halt.is_some() { "halted" } else { "running" }.to_owned(),
            note: halt.map_or("proposes and accepts batches".to_owned(), |_| {
                "proposes and accepts nothing".to_owned()
            }),
        },
        lease(settlement::holder(conn).await?.as_ref(), now),
        Fact {
            name: "Ledger, stakes and chain",
            value: match last {
                Some(last) if last.equal => "equal".to_owned(),
                Some(_) => "different".to_owned(),
                None => "not compared yet".to_owned(),
            },
            note: last.map_or(String::new(), |last| {
                ago(now.market_us - last.at_us, "market")
            }),
        },
        runners_at_work(conn, now).await?,
        block("Newest block", latest),
        block("Newest final block", last_final),
    ])
}

async fn runners_at_work(conn: &mut Conn, now: Now) -> Result<Fact, WebError> {
    let members = fleet::members(conn).await?;
    let live = members.iter().filter(|one| one.is_live(now.wall_us));
    let (draining, working): (Vec<_>, Vec<_>) = live.partition(|one| one.is_draining());
    let counts = runners::counts(conn).await?;
    let disputed = counts
        .iter()
        .find(|(state, _)| *state == ComparisonState::Disputed)
        .map_or(0, |(_, count)| *count);
    Ok(Fact {
        name: "Runners",
        value: format!("{} at work", working.len()),
        note: format!(
            "{} draining, {} not heard; {} open disagreements",
            draining.len(),
            members.len() - draining.len() - working.len(),
            text::count(disputed)
        ),
    })
}

fn lease(holder: Option<&Holder>, now: Now) -> Fact {
    let Some(holder) = holder else {
        return Fact {
            name: "Settler",
            value: "never ran".to_owned(),
            note: "start it with foretoken settler".to_owned(),
        };
    };
    let is_held = holder.until_us > now.wall_us;
    let renewed = ago(now.wall_us - holder.renewed_us, "wall");
    let held = text::span(now.wall_us - holder.taken_us);
    Fact {
        name: "Settler",
        value: if is_held { "at work" } else { "not running" }.to_owned(),
        note: format!(
            "process {}, fence {}; lease held {held}, renewed {renewed}",
            holder.holder, holder.fence
        ),
    }
}

/// `12 s ago (wall clock)`.
pub(super) fn ago(us: i64, clock: &str) -> String {
    format!("{} ago ({clock} clock)", text::span(us))
}

fn halt_view(halt: &Halt, now: Now) -> HaltView {
    HaltView {
        reason: halt.reason.clone(),
        since: text::moment(halt.halted_us),
        age: text::span(now.market_us - halt.halted_us),
    }
}

fn batch_view(on: &OnItsWay, now: Now) -> BatchView {
    let deadline = |name, us: Option<i64>, past: &'static str| {
        us.map(|us| Deadline {
            name,
            at: text::moment(us),
            until_us: us,
            left: if us > now.market_us {
                text::span(us - now.market_us)
            } else {
                past.to_owned()
            },
            past,
        })
    };
    let deadlines = [
        deadline("Must be proposed by", on.propose_by_us, "passed"),
        deadline("Can be accepted from", on.accept_after_us, "now"),
        deadline("Dies at", on.dies_us, "dead"),
    ];
    BatchView {
        seq: on.batch.seq,
        attempt: on.batch.attempt,
        state: on.batch.state.name(),
        rounds: text::count_of(on.batch.rounds.len()),
        burned: text::tokens(on.batch.burned),
        deadlines: deadlines.into_iter().flatten().collect(),
    }
}

fn key_row(key: &KeyState, deployment: Option<&Deployment>, now: Now) -> KeyRow {
    let is = |address: chain::ChainAddress| address.to_string() == key.signer;
    let role = match deployment {
        Some(on) if is(on.committer) => "committer",
        Some(on) if is(on.operator) => "operator",
        _ => "unknown to the contracts",
    };
    let is_known = !key.balance_wei.is_empty();
    KeyRow {
        role,
        signer: key.signer.clone(),
        next_nonce: text::count(key.next_nonce),
        balance: if is_known {
            text::wei(&key.balance_wei)
        } else {
            "not read yet".to_owned()
        },
        age: if is_known {
            ago(now.wall_us - key.balance_us, "wall")
        } else {
            String::new()
        },
    }
}

fn account_row(total: &Total) -> AccountRow {
    let what = match total.kind {
        ledger::AccountKind::Outside => "wallets: what they paid in, less what they got",
        ledger::AccountKind::Model => "what models can claim",
        ledger::AccountKind::Pool => "rewards not handed out yet",
        ledger::AccountKind::Bond => "locked by a proposal",
        ledger::AccountKind::Burned => "gone for ever",
    };
    let balance = Delta::from_units(total.balance);
    AccountRow {
        kind: total.kind.name(),
        what,
        accounts: text::count(total.accounts),
        balance: text::delta(balance),
        exact: balance.tokens(),
    }
}

/// What differs is said once in a row of comparisons that say the same.
fn comparison_rows(newest_first: &[Reconciliation]) -> Vec<ComparisonRow> {
    let mut rows: Vec<ComparisonRow> = Vec::with_capacity(newest_first.len());
    let mut said = "";
    for one in newest_first {
        let mut row = comparison_row(one);
        if one.differs == said {
            row.differs.clear();
        }
        said = &one.differs;
        rows.push(row);
    }
    rows
}

fn comparison_row(one: &Reconciliation) -> ComparisonRow {
    ComparisonRow {
        at: text::moment(one.at_us),
        block: text::grouped(&one.block_number.to_string()),
        is_equal: one.equal,
        ledger: text::wei(&one.ledger),
        chain: text::wei(&one.chain),
        differs: one.differs.clone(),
    }
}
