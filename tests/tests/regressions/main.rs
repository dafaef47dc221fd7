//! What users of RTMP software have run into, each in a test with the number that it has in docs/conformance.md, and
//! the statements of that page that no other suite holds.

mod continuity;
mod delivery;
mod flow;
mod interoperability;
mod media;
mod metadata;
mod refusals;
mod silence;
mod support;
mod time;
mod urls;
