use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

fn project(id: i32) -> ProjectId {
    ProjectId::new(id)
}

fn queue(places: usize, places_per_project: usize, patience: Duration) -> Queue {
    Queue::new(QueueLimits { places, places_per_project, waiting_per_project: 20, patience })
}

const LONG: Duration = Duration::from_secs(3600);

type Entering = Pin<Box<dyn Future<Output = Result<Place, Crowded>>>>;

fn entering(queue: &Queue, of: i32, lane: Lane) -> Entering {
    let queue = queue.clone();
    Box::pin(async move { queue.enter(project(of), lane).await })
}

/// The place, if it is there by now.
fn poll(entering: &mut Entering) -> Option<Place> {
    match entering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(place) => Some(place.expect("a place")),
        Poll::Pending => None,
    }
}

fn now(queue: &Queue, of: i32, lane: Lane) -> Option<Place> {
    poll(&mut entering(queue, of, lane))
}

#[tokio::test]
async fn a_project_leaves_room_for_others() {
    let queue = queue(8, 8, LONG);
    let of_first: Vec<_> = std::iter::from_fn(|| now(&queue, 1, Lane::Page)).collect();
    let of_second: Vec<_> = std::iter::from_fn(|| now(&queue, 2, Lane::Page)).collect();
    let of_third: Vec<_> = std::iter::from_fn(|| now(&queue, 3, Lane::Page)).collect();
    assert_eq!((of_first.len(), of_second.len(), of_third.len()), (4, 2, 1));
    assert!(now(&queue, 4, Lane::Machine).is_some(), "whoever asks first has a place");
}

#[tokio::test]
async fn programs_leave_the_last_place_to_people() {
    let queue = queue(100, 3, LONG);
    let programs: Vec<_> = std::iter::from_fn(|| now(&queue, 1, Lane::Machine)).collect();
    assert_eq!(programs.len(), 2);
    let mut program = entering(&queue, 1, Lane::Machine);
    assert!(poll(&mut program).is_none());
    let person = now(&queue, 1, Lane::Page).expect("it is theirs");
    let mut next_person = entering(&queue, 1, Lane::Page);
    assert!(poll(&mut next_person).is_none());
    drop(programs);
    assert!(poll(&mut next_person).is_some(), "people come first");
    assert!(poll(&mut program).is_some());
    drop(person);
    assert!(now(&self::queue(2, 1, LONG), 1, Lane::Machine).is_some(), "one place is for whoever comes");
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_what_is_in_the_way() {
    const SHORT: Duration = Duration::from_millis(50);
    let queue = queue(3, 2, SHORT);
    let _own = [now(&queue, 1, Lane::Page), now(&queue, 1, Lane::Page)];
    assert_eq!(queue.enter(project(1), Lane::Page).await.unwrap_err(), Crowded::ByProject(SHORT));
    let _other = now(&queue, 2, Lane::Page).expect("the last place");
    assert_eq!(queue.enter(project(3), Lane::Page).await.unwrap_err(), Crowded::ByAll(SHORT));
    assert_eq!(queue.load(), (3, 0), "those who went wait no more");
    let mut many: Vec<_> = (0..20).map(|_| entering(&queue, 3, Lane::Machine)).collect();
    assert!(many.iter_mut().all(|entering| poll(entering).is_none()));
    assert_eq!(queue.enter(project(3), Lane::Page).await.unwrap_err(), Crowded::TooManyWaiting(20));
    many.truncate(19);
    let mut last = entering(&queue, 3, Lane::Page);
    assert!(poll(&mut last).is_none(), "there is room to wait again");
}

#[tokio::test]
async fn a_place_nobody_takes_goes_to_the_next() {
    let queue = queue(1, 1, LONG);
    let running = now(&queue, 1, Lane::Page).expect("a place");
    let (mut gone, mut next) = (entering(&queue, 2, Lane::Page), entering(&queue, 3, Lane::Page));
    assert!(poll(&mut gone).is_none() && poll(&mut next).is_none());
    // It is handed over, but its taker goes before looking.
    drop(running);
    assert_eq!(queue.load().0, 1);
    drop(gone);
    let place = poll(&mut next).expect("it is free again");
    drop(place);
    assert_eq!(queue.load(), (0, 0));
    assert!(queue.0.lock().projects.is_empty() && queue.0.lock().turns.len() <= 1);
}

#[derive(Debug, Clone)]
enum Act {
    Enter(i32, Lane),
    /// Ends one of those that run.
    End(usize),
    /// One of those that wait goes away.
    Leave(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let lane = prop_oneof![Just(Lane::Page), Just(Lane::Machine)];
    prop_oneof![
        3 => (1_i32..5, lane).prop_map(|(of, lane)| Act::Enter(of, lane)),
        2 => (0_usize..100).prop_map(Act::End),
        1 => (0_usize..100).prop_map(Act::Leave),
    ]
}

proptest! {
    /// Never more than may run, and nobody waits who could run. Within a project and a lane the first is first; a program runs
    /// before a person only if it came when no person waited.
    #[test]
    fn places_are_neither_lost_nor_found(
        places in 1_usize..7,
        each in 1_usize..5,
        acts in prop::collection::vec(act(), 0..60),
    ) {
        // Only `timeout` needs it, to know that its hour is not over.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _guard = runtime.enter();
        let queue = queue(places, each, LONG);
        let mut running: Vec<(i32, Lane, Place)> = Vec::new();
        let mut waiting: Vec<(i32, Lane, Entering)> = Vec::new();
        for act in acts {
            match act {
                Act::Enter(of, lane) => {
                    let mut entering = entering(&queue, of, lane);
                    match entering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(Ok(place)) => running.push((of, lane, place)),
                        Poll::Ready(Err(crowded)) => {
                            let theirs = waiting.iter().filter(|(other, ..)| *other == of).count();
                            prop_assert_eq!((crowded, theirs), (Crowded::TooManyWaiting(20), 20));
                        }
                        Poll::Pending => waiting.push((of, lane, entering)),
                    }
                }
                Act::End(at) if !running.is_empty() => drop(running.swap_remove(at % running.len())),
                Act::Leave(at) if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                Act::End(_) | Act::Leave(_) => {}
            }
            let mut left_behind: Vec<(i32, Lane)> = Vec::new();
            let mut still: Vec<(i32, Lane, Entering)> = Vec::new();
            for (of, lane, mut entering) in waiting {
                match poll(&mut entering) {
                    Some(place) => {
                        prop_assert!(!left_behind.contains(&(of, lane)), "{of} {lane:?} was overtaken");
                        running.push((of, lane, place));
                    }
                    None => {
                        left_behind.push((of, lane));
                        still.push((of, lane, entering));
                    }
                }
            }
            waiting = still;
            let count = |of: i32| running.iter().filter(|(other, ..)| *other == of).count();
            prop_assert!(running.len() <= places);
            for of in 1..5 {
                prop_assert!(count(of) <= each);
            }
            for (of, lane, _) in &waiting {
                let own = if *lane == Lane::Page { each } else { (each - 1).max(1) };
                let could = count(*of) < own && count(*of) < places - running.len();
                let person_waits = waiting.iter().any(|(other, lane, _)| other == of && *lane == Lane::Page);
                prop_assert!(!could || (*lane == Lane::Machine && person_waits), "{of} {lane:?} could run");
            }
            prop_assert_eq!(queue.load(), (running.len(), waiting.len()));
        }
        drop(waiting);
        drop(running);
        prop_assert_eq!(queue.load(), (0, 0));
        prop_assert!(queue.0.lock().projects.is_empty());
    }
}
