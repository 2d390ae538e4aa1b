//! Products of tensors and recurrent layers, where the time goes.

use std::collections::BTreeMap;

use super::super::refusal::{Checked, misused, unfit};
use super::super::size::Size;
use super::call::Call;
use super::pointwise::stretch;
use super::{Info, Made};

/// Elements of `made`, each a sum over `inner`.
fn summed(made: Info, inner: Size) -> Made {
    let cost = made.most().saturating_mul(most(inner));
    Made {
        outputs: vec![made],
        cost,
    }
}

fn most(size: Size) -> u128 {
    u128::try_from(size.most()).unwrap_or(0)
}

fn must_equal(call: &Call<'_>, a: Size, b: Size) -> Checked<()> {
    if a == b {
        return Ok(());
    }
    let what = format!("a product over {} and {}", a.written(), b.written());
    Err(unfit(call.name(), what))
}

pub(super) fn matmul(call: &Call<'_>) -> Checked<Made> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    call.of_floats(0)?;
    call.of_one_element(0)?;
    let scalar = || misused(call.name(), "a scalar");
    let (&last, a_rest) = a.shape.split_last().ok_or_else(scalar)?;
    let (a_batch, a_row) = match a_rest.split_last() {
        Some((row, batch)) => (batch, Some(*row)),
        None => (&[][..], None),
    };
    let (b_batch, inner, b_column) = match b.shape[..] {
        [] => return Err(scalar()),
        [inner] => (&[][..], inner, None),
        [.., inner, column] => (&b.shape[..b.shape.len() - 2], inner, Some(column)),
    };
    must_equal(call, last, inner)?;
    let mut shape = stretch(call, a_batch, b_batch)?;
    shape.extend(a_row);
    shape.extend(b_column);
    Ok(summed(Info::new(a.element, shape), inner))
}

pub(super) fn gemm(call: &Call<'_>) -> Checked<Made> {
    let matrix = |place: usize, flag| -> Checked<[Size; 2]> {
        let &[rows, columns] = &call.input(place)?.shape[..] else {
            return Err(misused(call.name(), "an input that is no matrix"));
        };
        let is_turned = call.int(flag, 0)? != 0;
        Ok(if is_turned {
            [columns, rows]
        } else {
            [rows, columns]
        })
    };
    let [rows, inner] = matrix(0, "transA")?;
    let [again, columns] = matrix(1, "transB")?;
    must_equal(call, inner, again)?;
    call.of_floats(0)?;
    let element = call.of_one_element(0)?;
    if let Some(addend) = call.optional(2)
        && stretch(call, &[rows, columns], &addend.shape)? != [rows, columns]
    {
        return Err(unfit(call.name(), "a third input larger than the product"));
    }
    Ok(summed(Info::new(element, vec![rows, columns]), inner))
}

/// One or two operands; with more, the order of evaluation would decide how much memory it takes.
pub(super) fn einsum(call: &Call<'_>) -> Checked<Made> {
    let equation = call.text("equation")?.unwrap_or_default();
    let equation: Vec<u8> = equation
        .iter()
        .copied()
        .filter(|byte| *byte != b' ')
        .collect();
    let mut sides = equation.splitn(2, |byte| *byte == b'-');
    let terms: Vec<&[u8]> = sides
        .next()
        .unwrap_or_default()
        .split(|byte| *byte == b',')
        .collect();
    let inputs: Vec<&Info> = call.inputs().collect();
    if terms.len() != inputs.len() || !(1..=2).contains(&terms.len()) {
        return Err(misused(call.name(), "one or two operands are run"));
    }
    let mut sizes: BTreeMap<u8, (Size, usize)> = BTreeMap::new();
    for (term, input) in terms.iter().zip(&inputs) {
        if term.len() != input.shape.len() {
            return Err(unfit(call.name(), "a term and its operand differ in rank"));
        }
        for (letter, size) in term.iter().zip(&input.shape) {
            if !letter.is_ascii_alphabetic() {
                return Err(misused(call.name(), "only letters are run in the equation"));
            }
            let seen = sizes.entry(*letter).or_insert((*size, 0));
            must_equal(call, seen.0, *size)?;
            seen.1 += 1;
        }
    }
    let result: Vec<u8> = match sides.next() {
        Some([b'>', letters @ ..]) => letters.to_vec(),
        Some(_) => return Err(misused(call.name(), "an arrow is broken")),
        None => sizes
            .iter()
            .filter(|(_, (_, times))| *times == 1)
            .map(|(l, _)| *l)
            .collect(),
    };
    let shape: Option<Vec<Size>> = result.iter().map(|l| Some(sizes.get(l)?.0)).collect();
    let shape = shape.ok_or_else(|| misused(call.name(), "an unknown letter in the result"))?;
    let cost = sizes
        .values()
        .fold(1_u128, |cost, (size, _)| cost.saturating_mul(most(*size)));
    Ok(Made {
        outputs: vec![Info::new(inputs[0].element, shape)],
        cost,
    })
}

/// `LSTM`, `GRU` and `RNN`: `X` is `[steps, batch, inputs]`.
pub(super) fn recurrent(call: &Call<'_>) -> Checked<Made> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    if call.int("layout", 0)? != 0 {
        return Err(misused(call.name(), "layout 1 is not run"));
    }
    let (&[steps, batch, inputs], &[directions, gates, again]) = (&x.shape[..], &weights.shape[..])
    else {
        return Err(misused(call.name(), "inputs that have no three dimensions"));
    };
    must_equal(call, inputs, again)?;
    let count = match call.name() {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    };
    let hidden = gates.exactly_over(Size::constant(count));
    let hidden = hidden.ok_or_else(|| unfit(call.name(), "weights that are no gates"))?;
    let state = Info::new(x.element, vec![directions, batch, hidden]);
    let all = Info::new(x.element, vec![steps, directions, batch, hidden]);
    let width = most(inputs).saturating_add(most(hidden)).saturating_add(16);
    let cost = all
        .most()
        .saturating_mul(width)
        .saturating_mul(u128::from(count.unsigned_abs()));
    let mut outputs = vec![all, state.clone()];
    if call.name() == "LSTM" {
        outputs.push(state);
    }
    Ok(Made { outputs, cost })
}
