//! The table.

use crate::processes::{Cpu, Part};

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Begins a part of the table.
pub fn section(title: &str) {
    println!("\n{title}");
}

/// A figure.
pub fn row(what: &str, value: &str) {
    println!("  {what:<58} {value:>16}");
}

/// A figure beside its goal.
pub fn goal(what: &str, value: f64, unit: &str, goal: Goal) {
    let (sign, limit, is_met) = match goal {
        Goal::AtLeast(limit) => ("≥", limit, value >= limit),
        Goal::AtMost(limit) => ("≤", limit, value <= limit),
    };
    let verdict = if is_met { "met" } else { "MISSED" };
    let (value, limit) = (format!("{} {unit}", number(value)), number(limit));
    println!("  {what:<58} {:>16}   goal {sign} {limit:<8} {verdict}", value.trim_end());
}

/// A remark about how something was measured.
pub fn note(text: &str) {
    println!("  ({text})");
}

/// Microseconds per event of each part.
pub fn cpu_per_event(cpu: &Cpu, events: u64) {
    let each = |seconds: f64| format!("{} µs", number(seconds * 1e6 / events as f64));
    for (name, part) in [("Tenrec", Part::Tenrec), ("engine", Part::Engine), ("Postgres", Part::Postgres)] {
        row(&format!("  CPU per event: {name}"), &each(cpu.of(part)));
    }
}

/// Three digits are enough for a small one; thousands are set apart.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn mib(kb: u64) -> f64 {
    kb as f64 / 1024.0
}
