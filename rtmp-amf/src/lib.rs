//! AMF.
