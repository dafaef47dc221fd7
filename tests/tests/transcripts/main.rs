//! What our two ends say, beside what other programs were recorded saying in their place. Each difference that is meant
//! stands in a table with its reason; any other fails.

mod client;
mod difference;
mod server;
mod transcript;
