//! What is read prints as what reads the same; what is not the language is refused where it is wrong.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn same(text: &str, printed: &str) {
    let query = parse_query(text).unwrap_or_else(|e| panic!("{}", e.describe(text)));
    assert_eq!(query.to_string(), printed);
    assert_eq!(parse_query(printed).as_ref(), Ok(&query), "{printed}");
}

#[test]
fn operators_bind_as_they_should() {
    same("select 1 + 2 * 3 - -4", "SELECT (1 + (2 * 3)) - (-4)");
    same("select not a = 1 and b or c", "SELECT ((NOT (a = 1)) AND b) OR c");
    same("select 1 + null ?? 2 + 3", "SELECT (1 + NULL) ?? (2 + 3)");
    same("select 10 ?? true ? 20 : 30", "SELECT (10 ?? true) ? 20 : 30");
    same("select a is not null, b not in (1, 2)", "SELECT a IS NOT NULL, b NOT IN (1, 2)");
    same("select a between 1 and 2 and c", "SELECT (a BETWEEN 1 AND 2) AND c");
    same("select a is distinct from b, a is not distinct from null", "SELECT a != b, a = NULL");
    same("select count(*) filter (where a > 1), sum(b) filter (where c)", "SELECT countIf(a > 1), sumIf(b, c)");
    same(
        "select exists (select 1 from a), not exists(with 1 as b select b)",
        "SELECT exists((SELECT 1 FROM a)), NOT exists((WITH 1 AS b SELECT b))",
    );
    same("select properties.`00`.0, properties.10", "SELECT properties.`00`.0, properties.10");
    same("select x::String || 'it''s'", r"SELECT (CAST(x, 'String')) || 'it\'s'");
}

#[test]
fn paths_lambdas_and_windows_are_read() {
    same(
        "select properties.$browser, properties['a b'], p.1.id[2]",
        "SELECT properties.$browser, properties['a b'], p.1.id[2]",
    );
    same("select arrayMap(x -> x + 1, [1, 2]), (a, b) -> a", "SELECT arrayMap((x) -> x + 1, [1, 2]), (a, b) -> a");
    same(
        "select sum(x) over (partition by y order by z desc rows between 1 preceding and current row)",
        "SELECT sum(x) OVER (PARTITION BY y ORDER BY z DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
    );
    same("select quantile(0.9)(x), count(distinct y)", "SELECT quantile(0.9)(x), count(DISTINCT y)");
    same("select case when a then 1 else 2 end, interval 3 days", "SELECT multiIf(a, 1, 2), toIntervalDay(3)");
}

#[test]
fn clauses_are_read_in_their_order() {
    same(
        "with a as (select 1 as x), 2 as y select x, y from a left join b on a.x = b.x array join [1] as n \
         where {filters} group by 1, x having count() > 1 order by x nulls last, 2 desc limit 5 by x limit 10 offset 3",
        "WITH a AS (SELECT 1 AS x), 2 AS y SELECT x, y FROM a LEFT JOIN b ON a.x = b.x ARRAY JOIN [1] AS n \
         WHERE {filters} GROUP BY 1, x HAVING count() > 1 ORDER BY x ASC NULLS LAST, 2 DESC LIMIT 5 BY x LIMIT 10 OFFSET 3",
    );
    same("select distinct on (a, 1) b from c order by a", "SELECT b FROM c ORDER BY a ASC LIMIT 1 BY a, 1");
    same("select a, count() from b group by all having a", "SELECT a, count() FROM b GROUP BY ALL HAVING a");
    same("(select 1) union all select 2 union all (select 3)", "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3");
    same("select * except a, b.* exclude (c, `d e`) from b", "SELECT * EXCEPT (a), b.* EXCEPT (c, `d e`) FROM b");
    same("select * except (select 1)", "SELECT * EXCEPT SELECT 1");
    same("select -- c\n 1 /* d */ from `odd name` as `from`", "SELECT 1 FROM `odd name` AS `from`");
}

#[test]
fn what_is_wrong_is_shown_in_its_place() {
    let wrong = |text: &str| parse_query(text).expect_err(text).describe(text);
    assert_eq!(
        wrong("select 1 settings x = 1"),
        "SETTINGS is not taken here, at line 1, column 10\n\nselect 1 settings x = 1\n         ^^^^^^^^"
    );
    assert!(wrong("select\n 1 into outfile 'x'").starts_with("INTO is not taken here, at line 2, column 4"));
    assert!(wrong("select 'open").starts_with("a quote is not closed, at line 1, column 8"));
    assert!(wrong("select 1; select 2").starts_with("nothing is needed here, not select"));
    for text in [
        "",
        "drop table events",
        "insert into events select 1",
        "select",
        "select 1 from",
        "select 1 format CSV",
        "select (",
        "select [1",
        "select a.",
        "select 1 limit",
        "set x = 1",
        "select 1 from events sample 0.1",
        "select 1 from events final",
        "select * from a join b",
        "select /* open",
        "select \u{1}",
        "system flush logs",
        "select 1 where {a} {b}",
        "select {}",
        "select {1}",
        "explain select 1",
        "with x select 1",
        "select distinct on a from b",
        "select distinct on () a from b",
        "select distinct on (a) b from c limit 1 by b",
        "select a from b group by all, a",
        "select a from b group by a with totals",
        "select * except from b",
        "select * except () from b",
        "select * except (a, ) from b",
        "select * except (a) as b from c",
        "select count(* except (a)) from b",
    ] {
        wrong(text);
    }
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        format!("select {}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("select {}1", "-".repeat(5001).replace("--", "- ")),
        format!("select {}1", "not ".repeat(5000)),
        format!("select 1{}", " + 1".repeat(5000)),
        format!("select 1{}", " ?? 1".repeat(5000)),
        format!("select a{}", "[1]".repeat(5000)),
        format!("select {}1{}", "(select ".repeat(5000), ")".repeat(5000)),
        format!("select {}1{}", "f(".repeat(5000), ")".repeat(5000)),
        format!("select {}1{}", "[".repeat(5000), "]".repeat(5000)),
        format!("select {}", "x -> ".repeat(5000)),
        format!("select {} 1", "1 ? 2 : ".repeat(5000)),
        format!("select x::{}Int8{}", "Nullable(".repeat(5000), ")".repeat(5000)),
        format!("select '{}'", "x".repeat(1 << 20)),
    ] {
        let error = parse_query(&text).expect_err("too deep or too long");
        assert!(error.message.contains("levels deep") || error.message.contains("longer"), "{error}");
    }
    let wide = format!("select 1 where a{}", " or a".repeat(10_000));
    assert!(parse_query(&wide).is_ok());
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_$][a-z0-9_$]{0,5}",
        "[ -~]{1,6}",
        Just("select".to_owned()),
        Just("null".to_owned()),
        Just("é`\\".to_owned())
    ]
}

fn call_name() -> impl Strategy<Value = String> {
    "f[a-zA-Z0-9_]{0,6}"
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Flag),
        any::<u64>().prop_map(Literal::Whole),
        (0.0..1e300_f64).prop_map(Literal::Number),
        ".{0,8}".prop_map(Literal::Text),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let of = |kind| Expr::new(kind, Span::default());
    let leaf = prop_oneof![
        literal().prop_map(move |l| of(ExprKind::Literal(l))),
        prop::collection::vec(name(), 1..4).prop_map(move |steps| of(ExprKind::Field(steps))),
        prop::collection::vec(name(), 1..3).prop_map(move |names| of(ExprKind::Placeholder(names))),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let two = (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        let three = (inner.clone(), inner.clone(), inner.clone());
        let many = prop::collection::vec(inner.clone(), 0..4);
        let ops = prop::sample::select(vec![
            ArithmeticOp::Add,
            ArithmeticOp::Subtract,
            ArithmeticOp::Multiply,
            ArithmeticOp::Divide,
            ArithmeticOp::Modulo,
            ArithmeticOp::Concat,
        ]);
        let compares = prop::sample::select(vec![
            CompareOp::Equal,
            CompareOp::NotEqual,
            CompareOp::Less,
            CompareOp::GreaterOrEqual,
            CompareOp::Like,
            CompareOp::NotILike,
            CompareOp::Regex,
            CompareOp::NotIRegex,
            CompareOp::In,
            CompareOp::NotIn,
            CompareOp::InCohort,
        ]);
        prop_oneof![
            inner.clone().prop_map(move |a| of(ExprKind::Negate(Box::new(a)))),
            inner.clone().prop_map(move |a| of(ExprKind::Not(Box::new(a)))),
            (inner.clone(), any::<bool>())
                .prop_map(move |(a, is_negated)| of(ExprKind::IsNull { of: Box::new(a), is_negated })),
            (ops, two.clone()).prop_map(move |(op, (a, b))| of(ExprKind::Arithmetic(op, a, b))),
            (compares, two.clone()).prop_map(move |(op, (a, b))| of(ExprKind::Compare(op, a, b))),
            two.clone().prop_map(move |(a, b)| of(ExprKind::Coalesce(a, b))),
            two.clone().prop_map(move |(a, b)| of(ExprKind::Index(a, b))),
            three.clone().prop_map(move |(a, b, c)| of(ExprKind::If(Box::new(a), Box::new(b), Box::new(c)))),
            (three, any::<bool>()).prop_map(move |((a, b, c), is_negated)| of(ExprKind::Between {
                of: Box::new(a),
                low: Box::new(b),
                high: Box::new(c),
                is_negated
            })),
            prop::collection::vec(inner.clone(), 2..4).prop_map(move |items| of(ExprKind::And(items))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(move |items| of(ExprKind::Or(items))),
            many.clone().prop_map(move |items| of(ExprKind::Array(items))),
            many.clone().prop_map(move |items| of(ExprKind::Tuple(items))),
            (call_name(), many, any::<bool>()).prop_map(move |(name, args, is_distinct)| of(ExprKind::Call {
                name,
                params: None,
                args,
                is_distinct,
                over: None
            })),
            (prop::collection::vec(name(), 1..3), inner)
                .prop_map(move |(params, body)| of(ExprKind::Lambda { params, body: Box::new(body) })),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_value_reads_back_as_itself(expr in expr()) {
        let text = expr.to_string();
        let back = parse_expr(&text);
        prop_assert_eq!(back.as_ref(), Ok(&expr), "{}", text);
    }

    #[test]
    fn a_printed_question_reads_back_as_itself(
        items in prop::collection::vec((expr(), prop::option::of(name())), 1..4),
        filter in prop::option::of(expr()),
        group_by in prop::collection::vec(expr(), 0..3),
        is_grouped_by_all in any::<bool>(),
        table in name(),
        alias in prop::option::of(name()),
        order in prop::option::of((expr(), any::<bool>())),
        limit in prop::option::of(expr()),
    ) {
        let select = Select {
            items: items.into_iter().map(|(expr, alias)| SelectItem { expr, alias }).collect(),
            from: Some(From {
                first: Source { kind: SourceKind::Table(vec![table]), alias, span: Span::default() },
                joins: Vec::new(),
            }),
            filter,
            group_by: if is_grouped_by_all { Vec::new() } else { group_by },
            is_grouped_by_all,
            order_by: order.map(|(expr, is_descending)| Order { expr, is_descending, nulls: Nulls::Unsaid }).into_iter().collect(),
            limit: limit.map(|count| Limit { count: Some(count), offset: None, has_ties: false }),
            ..Select::default()
        };
        let query = Query::Select(Box::new(select));
        let text = query.to_string();
        let back = parse_query(&text);
        prop_assert_eq!(back.as_ref(), Ok(&query), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", words in prop::collection::vec(
        prop::sample::select(vec!["select", "from", "(", ")", "'", "`", "{", "}", ",", ".", "events", "1", "->", "?", ":", "as",
            "not", "in", "case", "when", "end", "over", "limit", "by", "::", "exists", "distinct", "on", "group", "all", "[", "]", "\\", "é", "with", "interval", "*"]), 0..40)) {
        for text in [text, words.join(" "), words.concat()] {
            if let Err(error) = parse_query(&text) {
                let _ = error.describe(&text);
            }
        }
    }
}
