//! Everything with a door, tested through it, on the real engines.

mod support;

mod accounts;
mod ack_store;
mod ai_form;
mod bombs;
mod capture;
mod capture_v1;
mod clients;
mod demo;
mod durability;
mod embedded;
mod engine;
mod enrich;
mod events_pages;
mod explorer_support;
mod fixtures;
mod flags;
mod health;
mod hostile_requests;
mod insights_pages;
mod layering;
mod ledger;
mod lifecycle;
mod limits;
mod official_clients;
mod onboarding;
mod persons_pages;
mod pipeline;
mod projects;
mod sdk;
mod security;
mod sent_again;
mod sessions_pages;
mod traffic;
mod trends;
