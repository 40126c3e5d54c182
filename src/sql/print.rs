//! The tree as text: plain, every operator's parts in brackets where they could be read otherwise.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    ArithmeticOp, CompareOp, CteBody, Expr, ExprKind, Frame, FrameEdge, FrameUnit, From, JoinKind, JoinOn, Limit,
    Literal, Nulls, Order, OverWindow, Query, Select, SelectItem, SetOp, Source, SourceKind, Window,
};

/// A name, in backticks unless it is a plain word that means nothing else.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const WORDS: &[&str] = &["null", "true", "false", "case", "interval", "date", "timestamp", "cast", "extract"];
        let is_plain = self.0.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
            && !super::parser::is_reserved(self.0)
            && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(self.0));
        if is_plain {
            return f.write_str(self.0);
        }
        quoted(f, self.0, '`')
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for letter in text.chars() {
        match letter {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            '\0' => f.write_str("\\0")?,
            letter if letter == quote => f.write_fmt(format_args!("\\{letter}"))?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_char(quote)
}

/// Items with commas between.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A part of an operator.
struct Part<'a>(&'a Expr);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let stands_alone = matches!(
            self.0.kind,
            ExprKind::Literal(_)
                | ExprKind::Field(_)
                | ExprKind::Call { .. }
                | ExprKind::Array(_)
                | ExprKind::Tuple(_)
                | ExprKind::Query(_)
                | ExprKind::Placeholder(_)
                | ExprKind::Index(..)
        );
        if stands_alone { self.0.fmt(f) } else { write!(f, "({})", self.0) }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Flag(flag) => f.write_str(if *flag { "true" } else { "false" }),
            Self::Whole(whole) => whole.fmt(f),
            // With a dot or an exponent, so that it reads back as what it is.
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => quoted(f, text, '\''),
        }
    }
}

impl CompareOp {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "LIKE",
            Self::NotLike => "NOT LIKE",
            Self::ILike => "ILIKE",
            Self::NotILike => "NOT ILIKE",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
            Self::IRegex => "=~*",
            Self::NotIRegex => "!~*",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::InCohort => "IN COHORT",
            Self::NotInCohort => "NOT IN COHORT",
        }
    }
}

impl ArithmeticOp {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concat => "||",
        }
    }
}

/// Whether a step is a number as it reads back: 00 is a name.
fn is_place(step: &str) -> bool {
    let is_number = !step.is_empty() && step.len() < 18 && step.bytes().all(|b| b.is_ascii_digit());
    is_number && (step == "0" || !step.starts_with('0'))
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::Field(steps) => {
                for (at, step) in steps.iter().enumerate() {
                    let dot = if at > 0 { "." } else { "" };
                    if at > 0 && is_place(step) {
                        write!(f, ".{step}")?;
                    } else {
                        write!(f, "{dot}{}", Name(step))?;
                    }
                }
                Ok(())
            }
            ExprKind::Star { table, except } => {
                if let Some(table) = table {
                    write!(f, "{}.", Name(table))?;
                }
                f.write_str("*")?;
                let names: Vec<_> = except.iter().map(|name| Name(name)).collect();
                if names.is_empty() { Ok(()) } else { write!(f, " EXCEPT ({})", List(&names)) }
            }
            ExprKind::Call { name, params, args, is_distinct, over } => {
                f.write_str(name)?;
                if let Some(params) = params {
                    write!(f, "({})", List(params))?;
                }
                let distinct = if *is_distinct { "DISTINCT " } else { "" };
                write!(f, "({distinct}{})", List(args))?;
                match over {
                    None => Ok(()),
                    Some(OverWindow::Named(name)) => write!(f, " OVER {}", Name(name)),
                    Some(OverWindow::Here(window)) => write!(f, " OVER ({window})"),
                }
            }
            ExprKind::Negate(of) => write!(f, "-{}", Part(of)),
            ExprKind::Arithmetic(op, a, b) => write!(f, "{} {} {}", Part(a), op.word(), Part(b)),
            ExprKind::Compare(op, a, b) => write!(f, "{} {} {}", Part(a), op.word(), Part(b)),
            ExprKind::Not(of) => write!(f, "NOT {}", Part(of)),
            ExprKind::And(items) | ExprKind::Or(items) => {
                let word = if matches!(self.kind, ExprKind::And(_)) { "AND" } else { "OR" };
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        write!(f, " {word} ")?;
                    }
                    Part(item).fmt(f)?;
                }
                Ok(())
            }
            ExprKind::IsNull { of, is_negated } => {
                write!(f, "{} IS {}NULL", Part(of), if *is_negated { "NOT " } else { "" })
            }
            ExprKind::Between { of, low, high, is_negated } => {
                let not = if *is_negated { "NOT " } else { "" };
                write!(f, "{} {not}BETWEEN {} AND {}", Part(of), Part(low), Part(high))
            }
            ExprKind::Coalesce(a, b) => write!(f, "{} ?? {}", Part(a), Part(b)),
            ExprKind::If(a, b, c) => write!(f, "{} ? {} : {}", Part(a), Part(b), Part(c)),
            ExprKind::Array(items) => write!(f, "[{}]", List(items)),
            ExprKind::Tuple(items) if items.len() == 1 => write!(f, "({},)", items[0]),
            ExprKind::Tuple(items) => write!(f, "({})", List(items)),
            ExprKind::Lambda { params, body } => {
                let names: Vec<_> = params.iter().map(|name| Name(name)).collect();
                write!(f, "({}) -> {body}", List(&names))
            }
            ExprKind::Index(of, index) => write!(f, "{}[{index}]", Part(of)),
            ExprKind::Step(of, step) if is_place(step) => {
                write!(f, "({of}).{step}")
            }
            ExprKind::Step(of, step) => write!(f, "({of}).{}", Name(step)),
            ExprKind::Cast(of, name) => {
                write!(f, "CAST({of}, ")?;
                quoted(f, name, '\'')?;
                f.write_char(')')
            }
            ExprKind::Query(query) => write!(f, "({query})"),
            ExprKind::Placeholder(names) => {
                let names: Vec<_> = names.iter().map(|name| Name(name).to_string()).collect();
                write!(f, "{{{}}}", names.join("."))
            }
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(select) => select.fmt(f),
            Self::Set { first, rest } => {
                part(f, first)?;
                for (op, query) in rest {
                    f.write_str(match op {
                        SetOp::UnionAll => " UNION ALL ",
                        SetOp::UnionDistinct => " UNION DISTINCT ",
                        SetOp::Intersect => " INTERSECT ",
                        SetOp::IntersectDistinct => " INTERSECT DISTINCT ",
                        SetOp::Except => " EXCEPT ",
                        SetOp::ExceptDistinct => " EXCEPT DISTINCT ",
                    })?;
                    part(f, query)?;
                }
                Ok(())
            }
        }
    }
}

/// A limit or an order at the end of a part would be read as of the whole: brackets.
fn part(f: &mut Formatter<'_>, query: &Query) -> fmt::Result {
    match query {
        Query::Select(_) => query.fmt(f),
        Query::Set { .. } => write!(f, "({query})"),
    }
}

impl Display for SelectItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", Name(alias)),
            None => Ok(()),
        }
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, cte) in self.ctes.iter().enumerate() {
            f.write_str(if at == 0 { "WITH " } else { ", " })?;
            match &cte.body {
                CteBody::Query(query) => write!(f, "{} AS ({query})", Name(&cte.name))?,
                CteBody::Value(value) => write!(f, "{} AS {}", Part(value), Name(&cte.name))?,
            }
        }
        let distinct = if self.is_distinct { "DISTINCT " } else { "" };
        write!(f, "{}SELECT {distinct}{}", if self.ctes.is_empty() { "" } else { " " }, List(&self.items))?;
        if let Some(from) = &self.from {
            write!(f, " FROM {from}")?;
        }
        if let Some(join) = &self.array_join {
            write!(f, " {}ARRAY JOIN {}", if join.is_left { "LEFT " } else { "" }, List(&join.items))?;
        }
        for (word, condition) in [("PREWHERE", &self.prewhere), ("WHERE", &self.filter)] {
            if let Some(condition) = condition {
                write!(f, " {word} {condition}")?;
            }
        }
        if self.is_grouped_by_all {
            f.write_str(" GROUP BY ALL")?;
        } else if !self.group_by.is_empty() {
            write!(f, " GROUP BY {}", List(&self.group_by))?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        for (at, (name, window)) in self.windows.iter().enumerate() {
            write!(f, "{} {} AS ({window})", if at == 0 { " WINDOW" } else { "," }, Name(name))?;
        }
        if !self.order_by.is_empty() {
            write!(f, " ORDER BY {}", List(&self.order_by))?;
        }
        if let Some(limit) = &self.limit_by {
            write!(f, " LIMIT {}", limit.count)?;
            if let Some(offset) = &limit.offset {
                write!(f, " OFFSET {offset}")?;
            }
            write!(f, " BY {}", List(&limit.columns))?;
        }
        if let Some(Limit { count, offset, has_ties }) = &self.limit {
            if let Some(count) = count {
                write!(f, " LIMIT {count}")?;
            }
            if let Some(offset) = offset {
                write!(f, " OFFSET {offset}")?;
            }
            if *has_ties {
                f.write_str(" WITH TIES")?;
            }
        }
        Ok(())
    }
}

impl Display for From {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for join in &self.joins {
            let word = match join.kind {
                JoinKind::Inner => "INNER JOIN",
                JoinKind::Left => "LEFT JOIN",
                JoinKind::Right => "RIGHT JOIN",
                JoinKind::Full => "FULL JOIN",
                JoinKind::Cross => "CROSS JOIN",
                JoinKind::AnyInner => "ANY INNER JOIN",
                JoinKind::AnyLeft => "ANY LEFT JOIN",
                JoinKind::LeftSemi => "LEFT SEMI JOIN",
                JoinKind::LeftAnti => "LEFT ANTI JOIN",
            };
            write!(f, " {word} {}", join.source)?;
            match &join.on {
                JoinOn::Nothing => {}
                JoinOn::Condition(condition) => write!(f, " ON {condition}")?,
                JoinOn::Columns(columns) => {
                    let names: Vec<_> = columns.iter().map(|name| Name(name)).collect();
                    write!(f, " USING ({})", List(&names))?;
                }
            }
        }
        Ok(())
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SourceKind::Table(names) => {
                let names: Vec<_> = names.iter().map(|name| Name(name).to_string()).collect();
                f.write_str(&names.join("."))?;
            }
            SourceKind::Function { name, args } => write!(f, "{}({})", Name(name), List(args))?,
            SourceKind::Query(query) => write!(f, "({query})")?,
        }
        match &self.alias {
            Some(alias) => write!(f, " AS {}", Name(alias)),
            None => Ok(()),
        }
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Part(&self.expr), if self.is_descending { "DESC" } else { "ASC" })?;
        f.write_str(match self.nulls {
            Nulls::Unsaid => "",
            Nulls::First => " NULLS FIRST",
            Nulls::Last => " NULLS LAST",
        })
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut space = "";
        if !self.partition_by.is_empty() {
            write!(f, "PARTITION BY {}", List(&self.partition_by))?;
            space = " ";
        }
        if !self.order_by.is_empty() {
            write!(f, "{space}ORDER BY {}", List(&self.order_by))?;
            space = " ";
        }
        if let Some(Frame { unit, start, end }) = &self.frame {
            let unit = if *unit == FrameUnit::Rows { "ROWS" } else { "RANGE" };
            match end {
                Some(end) => write!(f, "{space}{unit} BETWEEN {start} AND {end}")?,
                None => write!(f, "{space}{unit} {start}")?,
            }
        }
        Ok(())
    }
}

impl Display for FrameEdge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnboundedPreceding => f.write_str("UNBOUNDED PRECEDING"),
            Self::Preceding(count) => write!(f, "{count} PRECEDING"),
            Self::CurrentRow => f.write_str("CURRENT ROW"),
            Self::Following(count) => write!(f, "{count} FOLLOWING"),
            Self::UnboundedFollowing => f.write_str("UNBOUNDED FOLLOWING"),
        }
    }
}
