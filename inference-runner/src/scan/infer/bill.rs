//! What a model costs: multiply-adds for a row and while loading, and the memory that is held at
//! once in a full block of rows.

use std::collections::BTreeMap;

use super::super::Rules;
use super::super::graph::{Graph, TensorId};
use super::super::operators::Operator;
use super::super::refusal::Checked;
use super::Info;
use crate::limits::ROW_BLOCK;
use crate::outcome::Reason;

/// Cost and memory so far.
pub(super) struct Bill {
    rules: Rules,
    /// Where each tensor is read last.
    last_use: Vec<usize>,
    /// Of the tensors that are held, by the place after which they are let go.
    leaving: BTreeMap<usize, u64>,
    held: u64,
    cost: u128,
    load_cost: u128,
    pub(super) peak_bytes: u64,
}

impl Bill {
    pub(super) fn new(graph: &Graph<'_>, known: &[Option<Info>], rules: Rules) -> Self {
        let mut last_use = vec![0; graph.tensor_count];
        for (place, node) in graph.nodes.iter().enumerate() {
            for id in node.inputs.iter().flatten() {
                last_use[*id] = place;
            }
        }
        last_use[graph.answer] = usize::MAX;
        // Constants lie in the file, in the session and, packed for products, once more.
        let constants: u64 = known.iter().flatten().map(Info::bytes).sum();
        Self {
            rules,
            last_use,
            leaving: BTreeMap::new(),
            held: constants.saturating_mul(3),
            cost: 0,
            load_cost: 0,
            peak_bytes: constants.saturating_mul(3),
        }
    }

    pub(super) fn add(
        &mut self,
        place: usize,
        operator: &Operator,
        outputs: &[(Option<TensorId>, Info)],
        cost: u128,
        varies: bool,
    ) -> Checked<()> {
        let elements: u128 = outputs.iter().map(|(_, info)| info.most()).sum();
        let cost = cost + elements.saturating_mul(u128::from(operator.weight));
        if varies {
            self.cost = self.cost.saturating_add(cost);
        } else {
            self.load_cost = self.load_cost.saturating_add(cost);
        }
        for (id, info) in outputs {
            self.held = self.held.saturating_add(info.bytes());
            if varies {
                let until = id.map_or(place, |id| self.last_use[id].max(place));
                *self.leaving.entry(until).or_default() += info.bytes();
            }
        }
        self.peak_bytes = self.peak_bytes.max(self.held);
        if self.peak_bytes > self.rules.peak_bytes {
            let most = self.rules.peak_bytes;
            return Err(too_much_memory(operator.name, self.peak_bytes, most));
        }
        while let Some(entry) = self.leaving.first_entry()
            && *entry.key() <= place
        {
            self.held = self.held.saturating_sub(entry.remove());
        }
        self.check_cost(operator.name)
    }

    fn check_cost(&self, operator: &str) -> Checked<()> {
        let (cost, most, when) = if self.cost_per_row() > self.rules.cost_per_row {
            (self.cost_per_row(), self.rules.cost_per_row, "for one row")
        } else if self.load_cost > u128::from(self.rules.cost_of_load) {
            let cost = u64::try_from(self.load_cost).unwrap_or(u64::MAX);
            (cost, self.rules.cost_of_load, "of constants while loading")
        } else {
            return Ok(());
        };
        Err(Reason::new(
            "cost",
            format!(
                "{operator} brings the model to {cost} multiply-adds {when}; at most {most} are \
                 allowed"
            ),
            "use smaller layers or fewer trees; fold constant products before the export",
        ))
    }

    pub(super) fn cost_per_row(&self) -> u64 {
        u64::try_from(self.cost.div_ceil(ROW_BLOCK as u128)).unwrap_or(u64::MAX)
    }
}

pub(super) fn too_much_memory(operator: &str, bytes: u64, most: u64) -> Reason {
    Reason::new(
        "cost-memory",
        format!(
            "{operator} brings the model to {} MiB for a block of {ROW_BLOCK} rows; at most {} are \
             allowed",
            bytes >> 20,
            most >> 20
        ),
        "use smaller layers or fewer trees, and no tensor that repeats another",
    )
}
