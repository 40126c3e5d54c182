//! What a text says. Nothing here names a table or function of a store.

use super::Span;

/// A whole question.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    Select(Box<Select>),
    /// Answers put together, from left to right.
    Set {
        first: Box<Query>,
        rest: Vec<(SetOp, Query)>,
    },
}

/// How two answers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOp {
    UnionAll,
    UnionDistinct,
    Intersect,
    IntersectDistinct,
    Except,
    ExceptDistinct,
}

/// `SELECT …`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Select {
    pub ctes: Vec<Cte>,
    pub is_distinct: bool,
    pub items: Vec<SelectItem>,
    pub from: Option<From>,
    pub array_join: Option<ArrayJoin>,
    pub prewhere: Option<Expr>,
    pub filter: Option<Expr>,
    pub group_by: Vec<Expr>,
    /// `GROUP BY ALL`, in place of values: by every column that puts no rows together.
    pub is_grouped_by_all: bool,
    pub having: Option<Expr>,
    pub windows: Vec<(String, Window)>,
    pub order_by: Vec<Order>,
    pub limit_by: Option<LimitBy>,
    pub limit: Option<Limit>,
    pub span: Span,
}

/// Something named before a `SELECT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    pub name: String,
    pub body: CteBody,
    pub span: Span,
}

/// What a name before a `SELECT` stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum CteBody {
    Query(Query),
    Value(Expr),
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    pub expr: Expr,
    pub alias: Option<String>,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    pub first: Source,
    pub joins: Vec<Join>,
}

/// One table or what stands for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub kind: SourceKind,
    pub alias: Option<String>,
    pub span: Span,
}

/// What rows are read from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// A table by its name, of one or more parts.
    Table(Vec<String>),
    /// A function that gives rows.
    Function {
        name: String,
        args: Vec<Expr>,
    },
    Query(Box<Query>),
}

/// A further source.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    pub kind: JoinKind,
    pub source: Source,
    pub on: JoinOn,
}

/// Which rows of two sources go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
    AnyInner,
    AnyLeft,
    LeftSemi,
    LeftAnti,
}

/// By what they go together.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinOn {
    Nothing,
    Condition(Expr),
    Columns(Vec<String>),
}

/// A row for each item of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayJoin {
    pub is_left: bool,
    pub items: Vec<SelectItem>,
}

/// How rows are sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub expr: Expr,
    pub is_descending: bool,
    pub nulls: Nulls,
}

/// Where nulls stand in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nulls {
    #[default]
    Unsaid,
    First,
    Last,
}

/// So many rows of each group.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitBy {
    pub count: Expr,
    pub offset: Option<Expr>,
    pub columns: Vec<Expr>,
}

/// So many rows, from one on.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub count: Option<Expr>,
    pub offset: Option<Expr>,
    pub has_ties: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// How many levels lie below, this one counted.
    pub depth: u16,
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    Literal(Literal),
    /// A column by its name, with the table's before it and properties after it; all are steps.
    Field(Vec<String>),
    /// `*`, or `t.*`; `* EXCEPT (a, b)`.
    Star {
        table: Option<String>,
        except: Vec<String>,
    },
    /// A function. `params` are those of `quantile(0.9)(x)`.
    Call {
        name: String,
        params: Option<Vec<Expr>>,
        args: Vec<Expr>,
        is_distinct: bool,
        over: Option<OverWindow>,
    },
    Negate(Box<Expr>),
    Arithmetic(ArithmeticOp, Box<Expr>, Box<Expr>),
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    IsNull {
        of: Box<Expr>,
        is_negated: bool,
    },
    Between {
        of: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        is_negated: bool,
    },
    /// `a ?? b`.
    Coalesce(Box<Expr>, Box<Expr>),
    /// `a ? b : c`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Array(Vec<Expr>),
    Tuple(Vec<Expr>),
    Lambda {
        params: Vec<String>,
        body: Box<Expr>,
    },
    /// `a[b]`.
    Index(Box<Expr>, Box<Expr>),
    /// `a.b` of something that is no plain column.
    Step(Box<Expr>, String),
    Cast(Box<Expr>, String),
    Query(Box<Query>),
    /// `{filters}`.
    Placeholder(Vec<String>),
}

/// A value that stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Flag(bool),
    Whole(u64),
    Number(f64),
    Text(String),
}

/// What is done with two numbers; `||` puts texts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
    ILike,
    NotILike,
    Regex,
    NotRegex,
    IRegex,
    NotIRegex,
    In,
    NotIn,
    InCohort,
    NotInCohort,
}

/// `OVER name` or `OVER (…)`.
#[derive(Debug, Clone, PartialEq)]
pub enum OverWindow {
    Named(String),
    Here(Window),
}

/// Which rows a window function sees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<Order>,
    pub frame: Option<Frame>,
}

/// `ROWS BETWEEN … AND …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: FrameEdge,
    pub end: Option<FrameEdge>,
}

/// What a frame counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnit {
    Rows,
    Range,
}

/// Where a frame begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameEdge {
    UnboundedPreceding,
    Preceding(u64),
    CurrentRow,
    Following(u64),
    UnboundedFollowing,
}

impl Expr {
    /// A value made of others.
    #[must_use]
    pub fn new(kind: ExprKind, span: Span) -> Self {
        let below = match &kind {
            ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Star { .. } | ExprKind::Placeholder(_) => 0,
            ExprKind::Call { params, args, over, .. } => {
                let window = match over {
                    Some(OverWindow::Here(window)) => {
                        deepest(window.partition_by.iter().chain(window.order_by.iter().map(|order| &order.expr)))
                    }
                    _ => 0,
                };
                deepest(params.iter().flatten().chain(args)).max(window)
            }
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => {
                deepest(items)
            }
            ExprKind::Negate(a) | ExprKind::Not(a) | ExprKind::Step(a, _) | ExprKind::Cast(a, _) => a.depth,
            ExprKind::Lambda { body: a, .. } | ExprKind::IsNull { of: a, .. } => a.depth,
            ExprKind::Arithmetic(_, a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::Coalesce(a, b)
            | ExprKind::Index(a, b) => a.depth.max(b.depth),
            ExprKind::Between { of: a, low: b, high: c, .. } | ExprKind::If(a, b, c) => {
                a.depth.max(b.depth).max(c.depth)
            }
            // What lies in it was counted when it was read.
            ExprKind::Query(_) => 1,
        };
        Self { kind, span, depth: below.saturating_add(1) }
    }

    /// A function with arguments and nothing else.
    #[must_use]
    pub fn call(name: impl Into<String>, args: Vec<Self>, span: Span) -> Self {
        Self::new(ExprKind::Call { name: name.into(), params: None, args, is_distinct: false, over: None }, span)
    }

    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(ExprKind::Literal(Literal::Text(text.into())), span)
    }
}

fn deepest<'a>(items: impl IntoIterator<Item = &'a Expr>) -> u16 {
    items.into_iter().map(|item| item.depth).max().unwrap_or(0)
}
