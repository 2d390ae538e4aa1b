//! Convolutions and pooling. All but the batch and the channels must be of fixed size.

use super::super::element::Element;
use super::super::refusal::{Checked, misused, unbounded, unfit};
use super::super::size::Size;
use super::call::Call;
use super::{Info, Made};

/// The window that moves over the fixed dimensions.
struct Window {
    kernel: Vec<i64>,
    /// Of the result.
    sizes: Vec<Size>,
}

impl Window {
    fn of(call: &Call<'_>, shape: &[Size], kernel: &[i64]) -> Checked<Self> {
        let rank = kernel.len();
        if shape.len() != rank + 2 || rank == 0 {
            return Err(misused(
                call.name(),
                "a kernel of another rank than the input",
            ));
        }
        let list = |name, length, default| -> Checked<Vec<i64>> {
            let list = call
                .ints(name)?
                .map_or_else(|| vec![default; length], <[i64]>::to_vec);
            let is_sane = list.iter().all(|number| (0..=SIDE_MAX).contains(number));
            if list.len() != length || !is_sane {
                return Err(misused(call.name(), format!("'{name}' is not right")));
            }
            Ok(list)
        };
        let (strides, dilations) = (list("strides", rank, 1)?, list("dilations", rank, 1)?);
        let pads = list("pads", 2 * rank, 0)?;
        let padding = call.text("auto_pad")?.unwrap_or(b"NOTSET");
        let rounds_up = call.int("ceil_mode", 0)? != 0;
        let mut sizes = Vec::with_capacity(rank);
        for place in 0..rank {
            let side = shape[place + 2].known().filter(|side| *side <= SIDE_MAX);
            let side = side.ok_or_else(|| unbounded(call.name(), "an open or huge dimension"))?;
            let (stride, width) = (strides[place], kernel[place]);
            if stride == 0 || !(1..=SIDE_MAX).contains(&width) {
                return Err(misused(call.name(), "an empty kernel or stride"));
            }
            let reach = dilations[place] * (width - 1) + 1;
            let padded = match padding {
                b"NOTSET" => side + pads[place] + pads[place + rank],
                b"VALID" => side,
                // Padded so that the stride alone decides.
                _ => (side - 1) / stride * stride + reach,
            };
            if padded < reach {
                return Err(unfit(call.name(), "a kernel larger than its input"));
            }
            let steps = padded - reach;
            let extra = i64::from(rounds_up && steps % stride != 0);
            sizes.push(Size::constant(steps / stride + extra + 1));
        }
        Ok(Self {
            kernel: kernel.to_vec(),
            sizes,
        })
    }

    fn area(&self) -> u128 {
        let sides = self
            .kernel
            .iter()
            .map(|side| u128::from(side.unsigned_abs()));
        sides.fold(1, u128::saturating_mul)
    }
}

/// Longest side of an image, pad or kernel.
const SIDE_MAX: i64 = 1 << 20;

pub(super) fn conv(call: &Call<'_>) -> Checked<Made> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let (&[batch, channels, ..], [filters, depth, kernel @ ..]) =
        (&x.shape[..], &weights.shape[..])
    else {
        return Err(misused(call.name(), "inputs of too few dimensions"));
    };
    let kernel: Option<Vec<i64>> = kernel.iter().map(|side| side.known()).collect();
    let kernel = kernel.ok_or_else(|| unbounded(call.name(), "an open kernel"))?;
    let groups = Size::constant(call.int("group", 1)?);
    if depth.times(groups) != Some(channels) {
        return Err(unfit(call.name(), "weights for another number of channels"));
    }
    let window = Window::of(call, &x.shape, &kernel)?;
    let mut shape = vec![batch, *filters];
    shape.extend(&window.sizes);
    let made = Info::new(x.element, shape);
    let depth = u128::try_from(depth.most()).unwrap_or(0);
    let cost = made
        .most()
        .saturating_mul(window.area())
        .saturating_mul(depth);
    Ok(Made {
        outputs: vec![made],
        cost,
    })
}

pub(super) fn pool(call: &Call<'_>) -> Checked<Made> {
    let x = call.input(0)?;
    let kernel = call.ints("kernel_shape")?.unwrap_or_default();
    let window = Window::of(call, &x.shape, kernel)?;
    let mut shape = x.shape[..2].to_vec();
    shape.extend(&window.sizes);
    let made = Info::new(x.element, shape.clone());
    let cost = made.most().saturating_mul(window.area());
    let mut outputs = vec![made];
    if call.name() == "MaxPool" {
        outputs.push(Info::new(Element::Int64, shape));
    }
    Ok(Made { outputs, cost })
}

pub(super) fn global_pool(call: &Call<'_>) -> Checked<Made> {
    let x = call.input(0)?;
    if x.shape.len() < 3 {
        return Err(misused(call.name(), "an input of too few dimensions"));
    }
    let mut shape = x.shape.clone();
    shape[2..].fill(Size::ONE);
    Ok(call.costing(Info::new(x.element, shape), x, 1))
}
