//! Days of the week that a question is about.

use jiff::civil::Weekday;

use crate::insights::sql::{compare, field, made};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span};

/// Some days of the week, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekdays([bool; 7]);

impl Weekdays {
    pub const ALL: Self = Self([true; 7]);
    pub const WITHOUT_WEEKEND: Self = Self([true, true, true, true, true, false, false]);

    /// Reads the `daysOfWeek` of a date range: 1 for Monday to 7 for Sunday. None if it is missing or empty, which is all.
    ///
    /// # Errors
    /// If it is no list of such numbers.
    pub fn read(date_range: &Reader<'_>) -> Result<Option<Self>, InvalidQuery> {
        let items = date_range.get("daysOfWeek")?.items()?;
        let mut days = [false; 7];
        for item in &items {
            let day =
                item.count(1, 7)?.ok_or_else(|| item.wrong("a day from 1, Monday, to 7, Sunday, is needed here"))?;
            days[day as usize - 1] = true;
        }
        Ok((!items.is_empty()).then_some(Self(days)))
    }

    /// Whether a day is one of them.
    #[must_use]
    pub fn has(self, day: Weekday) -> bool {
        self.0[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    /// The condition that the time in a column is on one of them, in the project's time zone.
    #[must_use]
    pub fn condition(self, column: &str) -> Expr {
        let numbers = (1_u64..).zip(self.0).filter(|(_, is_one)| *is_one);
        let numbers = numbers.map(|(number, _)| made(ExprKind::Literal(Literal::Whole(number))));
        let day = Expr::call("toDayOfWeek", vec![field(&[column])], Span::default());
        compare(CompareOp::In, day, made(ExprKind::Tuple(numbers.collect())))
    }
}
