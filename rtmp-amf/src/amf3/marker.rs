//! The byte that begins every value (AMF3 section 3.1).

pub(super) const UNDEFINED: u8 = 0x00;
pub(super) const NULL: u8 = 0x01;
pub(super) const FALSE: u8 = 0x02;
pub(super) const TRUE: u8 = 0x03;
pub(super) const INTEGER: u8 = 0x04;
pub(super) const DOUBLE: u8 = 0x05;
pub(super) const STRING: u8 = 0x06;
pub(super) const XML_DOCUMENT: u8 = 0x07;
pub(super) const DATE: u8 = 0x08;
pub(super) const ARRAY: u8 = 0x09;
pub(super) const OBJECT: u8 = 0x0A;
pub(super) const XML: u8 = 0x0B;
pub(super) const BYTE_ARRAY: u8 = 0x0C;
pub(super) const VECTOR_INT: u8 = 0x0D;
pub(super) const VECTOR_UINT: u8 = 0x0E;
pub(super) const VECTOR_DOUBLE: u8 = 0x0F;
pub(super) const VECTOR_OBJECT: u8 = 0x10;
pub(super) const DICTIONARY: u8 = 0x11;
