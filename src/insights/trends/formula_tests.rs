use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn formulas(filter: Value, series_count: usize) -> Result<Vec<Formula>, InvalidQuery> {
    Formula::read_all(&Reader::new(&json!({ "trendsFilter": filter })).get("trendsFilter")?, series_count)
}

fn value(text: &str, series: &[f64]) -> f64 {
    let formulas = formulas(json!({ "formula": text }), series.len()).expect("a formula");
    formulas[0].value(series)
}

#[test]
fn operators_bind_as_in_python() {
    let series = [7.0, 2.0, 3.0];
    let expected = [
        ("A+2*B", 11.0),
        ("(a + 2) * b", 18.0),
        ("A-B-C", 2.0),
        ("A/B/C", 7.0 / 2.0 / 3.0),
        ("-A ** 2", -49.0),
        ("B ** C ** 2", 512.0),
        ("B ** -1", 0.5),
        ("2 * -A", -14.0),
        ("A - -B", 9.0),
        ("--A", 7.0),
        ("+A", 7.0),
        ("-A % C", 2.0),
        ("A % -C", -2.0),
        (".5 + 1.", 1.5),
        ("1e2*A + 2E-1", 700.2),
        ("7", 7.0),
    ];
    for (text, expected) in expected {
        assert_eq!(value(text, &series), expected, "{text}");
    }
}

#[test]
fn what_is_no_number_is_zero_where_it_arises() {
    for text in ["A/B", "A/0", "A % 0", "0 ** -A", "(-A) ** 0.5", "1e300 * 1e300", "-(A * 0)"] {
        assert_eq!(value(text, &[7.0, 0.0]).to_bits(), 0.0_f64.to_bits(), "{text}");
    }
    assert_eq!(value("A + A / B", &[7.0, 0.0]), 7.0);
}

#[test]
fn a_mistake_names_field_and_character() {
    let refused = [
        ("A + ", "the formula ends where a series or a number is needed, at character 5"),
        ("A + * B", "a series or a number is needed here, not '*', at character 5"),
        ("(A + B", "a closing parenthesis is missing, at character 7"),
        ("A)", "no parenthesis is open that this one could close, at character 2"),
        ("A B", "one of + - * / % ** is needed here, not 'B', at character 3"),
        ("2A", "one of + - * / % ** is needed here, not 'A', at character 2"),
        ("2(A)", "an operator is missing before the parenthesis, at character 2"),
        ("A ^ 2", "a power is written **, at character 3"),
        ("A + C", "there is no series C; the query has A to B, at character 5"),
        ("AB", "a series is one letter, not AB, at character 1"),
        ("sum(A)", "formulas have no functions such as SUM; a series says itself what is counted, at character 1"),
        ("1.2.3", "one of + - * / % ** is needed here, not '.', at character 4"),
        (".", ". is no number, at character 1"),
        ("1e999", "1e999 is no number, at character 1"),
        ("é", "a series or a number is needed here, not 'é', at character 1"),
    ];
    for (text, reason) in refused {
        let error = formulas(json!({ "formula": text }), 2).expect_err(text);
        assert_eq!((error.field.as_str(), error.reason.as_str()), ("trendsFilter.formula", reason), "{text}");
    }
    let only_one = formulas(json!({ "formula": "B" }), 1).expect_err("no such series");
    assert_eq!(only_one.reason, "there is no series B; the query has only A, at character 1");
    for text in ["(".repeat(1000), "-".repeat(1000), "2**".repeat(300), "A+".repeat(501)] {
        formulas(json!({ "formula": text }), 1).expect_err("endless");
    }
    let field = |filter| formulas(filter, 1).map_err(|error| error.field);
    assert_eq!(field(json!({ "formulas": ["A", "B"] })), Err("trendsFilter.formulas[1]".to_owned()));
    let node = json!({ "formulaNodes": [{ "formula": "A +" }] });
    assert_eq!(field(node), Err("trendsFilter.formulaNodes[0].formula".to_owned()));
    assert_eq!(field(json!({ "formulas": vec!["A"; 51] })), Err("trendsFilter.formulas".to_owned()));
    let long = json!({ "formulaNodes": [{ "formula": "A", "custom_name": "n".repeat(401) }] });
    assert_eq!(field(long), Err("trendsFilter.formulaNodes[0].custom_name".to_owned()));
}

#[test]
fn named_ones_win_over_the_list_and_the_list_over_one() {
    let labels =
        |filter: Value| -> Vec<String> { formulas(filter, 2).expect("formulas").iter().map(Formula::label).collect() };
    let all = json!({
        "formulaNodes": [{ "formula": "A/B", "custom_name": "Share" }, { "formula": "a*2" }],
        "formulas": ["A"],
        "formula": "B",
    });
    assert_eq!(labels(all), ["Share", "Formula (a*2)"]);
    assert_eq!(labels(json!({ "formulaNodes": [], "formulas": ["A", " "], "formula": "B" })), ["Formula (A)"]);
    assert_eq!(labels(json!({ "formulas": [""], "formula": "A+2*B" })), ["Formula (A+2*B)"]);
    assert_eq!(labels(json!({ "formula": "" })), Vec::<String>::new());
}

fn line(series: usize, breakdown: &[&str], period: Period, data: &[f64]) -> Line {
    let breakdown = breakdown.iter().map(|value| json!(value)).collect();
    let whole = data.iter().sum();
    Line { series, label: String::new(), breakdown, rank: 0, period, data: data.to_vec(), whole }
}

fn shown(lines: &[Line]) -> Vec<(String, String, Period, Vec<f64>)> {
    let value = |line: &Line| line.breakdown.first().and_then(Value::as_str).unwrap_or_default().to_owned();
    lines.iter().map(|line| (line.label.clone(), value(line), line.period, line.data.clone())).collect()
}

#[test]
fn values_of_a_breakdown_are_joined_and_sorted() {
    use Period::Current;
    let formulas = formulas(json!({ "formulas": ["A + B", "B / A"] }), 2).expect("formulas");
    let mut nothing = line(1, &["none"], Current, &[0.0, 9.0]);
    nothing.rank = 1;
    let lines = [
        line(0, &["Paris"], Current, &[2.0, 0.0]),
        line(0, &["London"], Current, &[1.0, 2.0]),
        line(1, &["London"], Current, &[0.0, 1.0]),
        nothing,
        line(1, &["Belo Horizonte"], Current, &[2.0, 0.0]),
        line(1, &["Rome"], Current, &[0.0, 2.0]),
    ];
    let row = |label: &str, value: &str, data: [f64; 2]| {
        (format!("Formula ({label})"), value.to_owned(), Current, data.to_vec())
    };
    let expected = [
        row("A + B", "London", [1.0, 3.0]),
        row("A + B", "Paris", [2.0, 0.0]),
        row("A + B", "Belo Horizonte", [2.0, 0.0]),
        row("A + B", "Rome", [0.0, 2.0]),
        row("A + B", "none", [0.0, 9.0]),
        row("B / A", "London", [0.0, 0.5]),
        row("B / A", "Paris", [0.0, 0.0]),
        row("B / A", "Belo Horizonte", [0.0, 0.0]),
        row("B / A", "Rome", [0.0, 0.0]),
        row("B / A", "none", [0.0, 0.0]),
    ];
    assert_eq!(shown(&apply_formulas(&formulas, &lines)), expected);
    assert_eq!(apply_formulas(&formulas, &[]), []);
}

#[test]
fn periods_stay_apart_and_the_whole_has_its_own_value() {
    use Period::{Current, Previous};
    let formulas = formulas(json!({ "formula": "A / B" }), 2).expect("a formula");
    let lines = [
        line(0, &[], Current, &[6.0, 2.0]),
        line(0, &[], Previous, &[1.0, 1.0]),
        line(1, &[], Current, &[3.0, 1.0]),
        line(1, &[], Previous, &[0.0, 4.0]),
    ];
    let made = apply_formulas(&formulas, &lines);
    let numbers: Vec<_> = made.iter().map(|line| (line.period, line.data.clone(), line.whole)).collect();
    assert_eq!(numbers, [(Current, vec![2.0, 2.0], 2.0), (Previous, vec![0.0, 0.25], 0.5)]);
}

/// A formula written out as a tree, with every parenthesis.
#[derive(Debug, Clone)]
enum Tree {
    Number(u32),
    Series(usize),
    Negate(Box<Tree>),
    Combine(&'static str, Box<Tree>, Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Series(at) => char::from(b"AbC"[*at]).to_string(),
            Self::Negate(of) => format!("(-{})", of.text()),
            Self::Combine(operator, left, right) => format!("({} {operator} {})", left.text(), right.text()),
        }
    }

    fn value(&self, series: &[f64]) -> f64 {
        let value = match self {
            Self::Number(number) => f64::from(*number),
            Self::Series(at) => series[*at],
            Self::Negate(of) => -of.value(series),
            Self::Combine(operator, left, right) => {
                let (left, right) = (left.value(series), right.value(series));
                match *operator {
                    "+" => left + right,
                    "-" => left - right,
                    "*" => left * right,
                    _ if right == 0.0 => 0.0,
                    _ => left / right,
                }
            }
        };
        if value.is_finite() { value } else { 0.0 }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![(0_u32..20).prop_map(Tree::Number), (0_usize..3).prop_map(Tree::Series)];
    leaf.prop_recursive(5, 40, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/"]);
        prop_oneof![
            inner.clone().prop_map(|of| Tree::Negate(Box::new(of))),
            (operator, inner.clone(), inner).prop_map(|(o, a, b)| Tree::Combine(o, Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn a_formula_is_worth_what_its_tree_is(tree in tree(), series in prop::array::uniform3(-5_i32..6)) {
        let series = series.map(f64::from);
        // Written out it may be longer than a formula may be.
        prop_assume!(tree.text().chars().count() <= 1_000);
        prop_assert_eq!(value(&tree.text(), &series), tree.value(&series) + 0.0);
    }

    /// Nothing makes it panic, and what is read is a number.
    #[test]
    fn any_text_is_a_number_or_an_error(text in "[A-Da-d0-9.eE+*/%() -]{0,40}|.{0,20}") {
        if let Ok(formulas) = formulas(json!({ "formula": text }), 3) {
            prop_assert!(formulas.iter().all(|formula| formula.value(&[3.0, 0.0, -1e308]).is_finite()));
        }
    }
}
