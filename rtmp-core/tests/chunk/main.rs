//! The chunk codec seen from outside: golden bytes, recorded connections, hostile input, properties.

mod captures;
mod encoder;
mod hostile;
mod limits;
mod memory;
mod model;
mod properties;
mod support;
mod timestamps;
mod vectors;
