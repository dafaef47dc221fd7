//! Recording on the server: what is in the files, whatever publishers, disks and other writers do.

mod application;
mod disks;
mod files;
mod requests;
mod segments;
mod support;
