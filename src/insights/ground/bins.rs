//! Numbers laid into bins of equal width between the least and the most of them.

use crate::insights::sql::{call, compare, made, text};
use crate::sql::{CompareOp, Expr, ExprKind, Literal};

/// Between which numbers values lie; none if there is no number.
pub type Extremes = Option<(f64, f64)>;

/// A number as the text of its bin, `[10,17.5]`; null where there is none.
#[must_use]
pub fn binned(number: &Expr, count: u32, extremes: Extremes) -> Expr {
    let null = || made(ExprKind::Literal(Literal::Null));
    let Some((least, most)) = extremes else {
        return call("nullIf", vec![call("toString", vec![null()]), text("")]);
    };
    let mut args = Vec::new();
    for bin in bins(least, most, count).iter().rev() {
        args.push(compare(CompareOp::GreaterOrEqual, number.clone(), literal(bin.from)));
        args.push(text(bin.label.as_str()));
    }
    args.push(null());
    call("multiIf", args)
}

fn literal(number: f64) -> Expr {
    let positive = made(ExprKind::Literal(Literal::Number(number.abs())));
    if number < 0.0 { made(ExprKind::Negate(Box::new(positive))) } else { positive }
}

/// Numbers from one on, up to where the next begins.
#[derive(Debug, Clone, PartialEq)]
struct Bin {
    from: f64,
    /// `[10,17.5]`.
    label: String,
}

/// So many bins of equal width, edges rounded down to two digits; the last reaches a little further, so that the most is in
/// it. Fewer where edges come to the same.
fn bins(least: f64, most: f64, count: u32) -> Vec<Bin> {
    let width = (most - least) / f64::from(count);
    // What is a little less than two digits by the way numbers are kept is those two digits.
    let down = |edge: f64| (edge * 100.0 + 1e-6).floor() / 100.0;
    let mut edges: Vec<f64> = (0..=count).map(|at| down(least + width * f64::from(at))).collect();
    edges.dedup();
    let last = edges.last().copied().unwrap_or(least);
    let last = ((last + 0.01) * 100.0).round() / 100.0;
    if edges.len() > 1 {
        edges.pop();
    }
    let mut found = Vec::new();
    for (at, from) in edges.iter().enumerate() {
        let to = edges.get(at + 1).copied().unwrap_or(last);
        found.push(Bin { from: *from, label: format!("[{from},{to}]") });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(least: f64, most: f64, count: u32) -> Vec<String> {
        bins(least, most, count).into_iter().map(|bin| bin.label).collect()
    }

    #[test]
    fn bins_are_of_equal_width_and_the_last_holds_the_most() {
        assert_eq!(labels(10.0, 40.0, 4), ["[10,17.5]", "[17.5,25]", "[25,32.5]", "[32.5,40.01]"]);
        assert_eq!(labels(4.0, 128.0, 5), ["[4,28.8]", "[28.8,53.6]", "[53.6,78.4]", "[78.4,103.2]", "[103.2,128.01]"]);
        assert_eq!(labels(4.0, 4.0, 10), ["[4,4.01]"]);
        assert_eq!(labels(-1.0, 1.0, 2), ["[-1,0]", "[0,1.01]"]);
        assert_eq!(labels(0.0, 0.02, 8), ["[0,0.01]", "[0.01,0.03]"]);
    }
}
