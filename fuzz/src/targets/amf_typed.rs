//! AMF into Rust types: what fits a type can be written again, and then is the same.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use rtmp_amf::{Amf3Error, Date, EcmaArray, SerdeError, SerdeErrorKind, amf0, amf3};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Everything {
    #[serde(default)]
    boolean: Option<bool>,
    #[serde(default)]
    small: Option<u8>,
    #[serde(default)]
    signed: Option<i32>,
    #[serde(default)]
    large: Option<i64>,
    #[serde(default)]
    number: Option<f64>,
    #[serde(default)]
    letter: Option<char>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    list: Option<Vec<Everything>>,
    #[serde(default)]
    pair: Option<(i16, String)>,
    #[serde(default)]
    map: Option<BTreeMap<String, f32>>,
    #[serde(default)]
    numbered: Option<BTreeMap<u32, bool>>,
    #[serde(default)]
    date: Option<Date>,
    #[serde(default)]
    array: Option<EcmaArray<BTreeMap<String, u64>>>,
    #[serde(default)]
    choice: Option<Choice>,
    #[serde(default)]
    unit: (),
}

#[derive(Debug, Serialize, Deserialize)]
enum Choice {
    Plain,
    One(f64),
    Two(bool, String),
    Named { a: u16, b: Option<Box<Choice>> },
}

type From<T> = fn(Bytes) -> Result<T, SerdeError>;
type To<T> = fn(&T) -> Result<Bytes, SerdeError>;

fn check<T: Debug>(data: &Bytes, from: From<T>, to: To<T>) {
    let value = match from(data.clone()) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let encoded = match to(&value) {
        Ok(encoded) => encoded,
        // AMF3 has no place for it in an object.
        Err(error) if matches!(error.kind(), SerdeErrorKind::Amf3(Amf3Error::EmptyName)) => return,
        Err(error) => panic!("what was read can be written: {error}"),
    };
    let again = from(encoded).expect("what was written can be read");
    // Text is compared, because NaN equals nothing.
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
}

fn check_both<T: Debug + Serialize + DeserializeOwned>(data: &Bytes) {
    check::<T>(data, amf0::from_bytes, amf0::to_bytes);
    check::<T>(data, amf3::from_bytes, amf3::to_bytes);
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    check_both::<(String, f64, Everything)>(&data);
    check_both::<(Everything,)>(&data);
    check_both::<Vec<Choice>>(&data);
    check_both::<(String, Option<EcmaArray<BTreeMap<String, String>>>)>(&data);
    // Of equal keys the last one is written, so the second reading is the one that stays.
    if let Ok(values) = amf0::from_bytes::<Vec<amf0::Value>>(data)
        && let Ok(written) = amf0::to_bytes(&values)
    {
        check::<Vec<amf0::Value>>(&written, amf0::from_bytes, amf0::to_bytes);
    }
}
