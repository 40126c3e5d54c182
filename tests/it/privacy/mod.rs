//! Export and erasure of people, opt-outs, visitors without cookies.

mod cookieless;
mod crashes;
mod disk;
mod erase;
mod export;
mod pages;
mod queue;
mod support;
