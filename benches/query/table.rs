//! The table: all ways of asking by turns, and what each cost.

use std::cell::RefCell;

use anyhow::{Result, bail, ensure};

use crate::engine::Engine;
use crate::measure::{Cost, Memory, Meter, median};
use crate::processes::Tenrec;
use crate::questions::{Answer, Question, Theirs};
use crate::report::{note, number, section};
use crate::server::Server;

/// The most memory that a question may take.
const MOST_MIB: f64 = 1_000_000_000.0 / 1_048_576.0;

/// What one question cost, asked as ours, as the floor, and in the field's two layouts.
struct Asked {
    costs: [Cost; 4],
    ours: Memory,
    theirs: [Memory; 2],
    numbers: usize,
}

/// Asks all and prints a row for each.
pub fn run(tenrec: &Tenrec, engine: &Engine, server: &Server, questions: &[Question], rounds: usize) -> Result<()> {
    section(
        "CPU of the engine in ms: ours, floor, the field's text and json. In brackets: CPU of Tenrec's own process",
    );
    println!(
        "  {:<48} {:>15} {:>7} {:>7} {:>7}   {:>15} {:>16} {:>6}   {:>11} {:>13}",
        "", "ours (+Tenrec)", "floor", "text", "json", "÷ floor", "÷ better", "all ÷", "wall", "memory, MiB"
    );
    let (mut met, mut goals) = (0, 0);
    for question in questions {
        let asked = ask(&Meter { tenrec, engine }, server, question, rounds)?;
        let [ours, floor, text, json] = asked.costs;
        let better = text.engine_ms.min(json.engine_ms);
        let mut ratio = |value: f64, most: Option<f64>| match most {
            None => number(value),
            Some(most) => {
                goals += 1;
                met += usize::from(value <= most);
                format!("{} ≤ {most} {}", number(value), if value <= most { "met" } else { "NOT" })
            }
        };
        println!(
            "  {:<48} {:>8} {:>6} {:>7} {:>7} {:>7}   {:>15} {:>16} {:>6}   {:>5} {:>5} {:>6} {:>6}",
            question.name,
            number(ours.engine_ms),
            format!("({})", number(ours.tenrec_ms)),
            number(floor.engine_ms),
            number(text.engine_ms),
            number(json.engine_ms),
            ratio(ours.engine_ms / floor.engine_ms, question.most.0),
            ratio(ours.engine_ms / better, question.most.1),
            number((ours.engine_ms + ours.tenrec_ms) / better),
            number(ours.wall_ms),
            number(text.wall_ms.min(json.wall_ms)),
            format!("{:.0}+{:.0}", asked.ours.engine, asked.ours.tenrec),
            format!("{:.0}", asked.theirs[0].engine.min(asked.theirs[1].engine)),
        );
        if asked.ours.engine + asked.ours.tenrec > MOST_MIB {
            note(&format!("{}: more than 1 GB of memory", question.name));
        }
        ensure!(asked.numbers > 0, "{}: the answer is empty, so it proves nothing", question.name);
    }
    note(&format!(
        "{met} of {goals} goals met; answers were equal; medians of {rounds} rounds of about a quarter second each"
    ));
    note(
        "÷ better: by the cheaper of text and json; all ÷: the same with Tenrec's own process; wall and memory: ours, theirs",
    );
    Ok(())
}

fn ask(meter: &Meter<'_>, server: &Server, question: &Question, rounds: usize) -> Result<Asked> {
    let answer = RefCell::new(Answer::new());
    let ours = || {
        *answer.borrow_mut() = (question.read)(&server.ask(&question.ours)?)?;
        Ok(())
    };
    let floor = || meter.engine.run(&question.floor).map(drop);
    let found = [RefCell::new(Answer::new()), RefCell::new(Answer::new())];
    let theirs = |which: usize, statement: &Theirs| {
        *found[which].borrow_mut() = statement.read(&meter.engine.text(&statement.sql)?)?;
        Ok(())
    };
    let (text, json) = (|| theirs(0, &question.text), || theirs(1, &question.json));
    let ways: [&dyn Fn() -> Result<()>; 4] = [&ours, &floor, &text, &json];
    // The first of each fills the cache of files.
    let about = ways.map(|way| meter.once(way).and_then(|_| meter.once(way)));
    let [first, second, third, fourth] = about;
    let about = [first?, second?, third?, fourth?];
    for (layout, found) in ["text", "json"].into_iter().zip(&found) {
        same(question.name, layout, &answer.borrow(), &found.borrow())?;
    }
    let mut turns: [Vec<Cost>; 4] = Default::default();
    for _ in 0..rounds {
        for ((way, about), costs) in ways.iter().zip(about).zip(&mut turns) {
            costs.push(meter.turn(about.engine_ms, way)?);
        }
    }
    let middle = |costs: &Vec<Cost>, of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    let costs = turns.each_ref().map(|costs| Cost {
        engine_ms: middle(costs, |cost| cost.engine_ms),
        tenrec_ms: middle(costs, |cost| cost.tenrec_ms),
        wall_ms: middle(costs, |cost| cost.wall_ms),
    });
    let memory = |way| meter.memory(way);
    let numbers = answer.borrow().len();
    Ok(Asked { costs, ours: memory(&ours)?, theirs: [memory(&text)?, memory(&json)?], numbers })
}

/// # Errors
/// If two answers differ.
fn same(name: &str, layout: &str, ours: &Answer, theirs: &Answer) -> Result<()> {
    let differs = |(about, value): &(&String, &f64), other: &Answer| {
        other.get(*about).is_none_or(|found| (found - *value).abs() > value.abs() * 1e-9)
    };
    let first =
        ours.iter().find(|pair| differs(pair, theirs)).or_else(|| theirs.iter().find(|pair| differs(pair, ours)));
    if let Some((about, _)) = first {
        let of = |answer: &Answer| answer.get(about).copied();
        bail!(
            "{name}: ours and {layout} differ at {about:?}: {:?} and {:?} ({} and {} numbers)",
            of(ours),
            of(theirs),
            ours.len(),
            theirs.len()
        );
    }
    Ok(())
}
