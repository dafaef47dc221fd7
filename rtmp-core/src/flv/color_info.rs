//! `colorInfo`: colours and luminance of a video track (Enhanced RTMP v2, video metadata).

use bytes::{Bytes, BytesMut};
use rtmp_amf::Amf0Error;
use rtmp_amf::amf0::{self, Object, Value};

/// How a player is to show the colours of a video track; everything is optional.
///
/// It is the content of a body with packet type [`Metadata`](super::VideoPacketType::Metadata), replaces what was said
/// before and holds for the frames after it. The default, with nothing in it, takes back what was said before.
///
/// ```
/// use rtmp_core::flv::{ColorConfig, ColorInfo, ContentLightLevel, VideoBody, VideoCodec, VideoHeader, VideoTrack};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hdr10 = ColorInfo {
///     color_config: ColorConfig {
///         bit_depth: Some(10),
///         color_primaries: Some(9),           // BT.2020
///         transfer_characteristics: Some(16), // PQ
///         matrix_coefficients: Some(9),
///     },
///     content_light_level: ContentLightLevel { max_fall: Some(400.0), max_cll: Some(1000.0) },
///     ..ColorInfo::default()
/// };
/// let content = hdr10.encode();
/// let body = VideoBody::metadata(VideoTrack::new(VideoCodec::Hevc, &content)).to_bytes()?;
///
/// let header = VideoHeader::parse(&body)?;
/// let track = header.tracks().next().ok_or("no track")??;
/// assert_eq!(ColorInfo::parse(track.body)?, Some(hdr10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColorInfo {
    /// What the sample values mean (`colorConfig`).
    pub color_config: ColorConfig,
    /// Brightness of the content (`hdrCll`).
    pub content_light_level: ContentLightLevel,
    /// The display on which the content was made (`hdrMdcv`).
    pub mastering_display: MasteringDisplay,
}

/// What sample values mean; the numbers are those of ITU-T H.273 (ISO/IEC 23091-2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColorConfig {
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: Option<u8>,
    /// Chromaticities of the primaries: 1 BT.709, 9 BT.2020.
    pub color_primaries: Option<u8>,
    /// Transfer function: 1 BT.709, 16 PQ, 18 HLG.
    pub transfer_characteristics: Option<u8>,
    /// How RGB becomes luma and chroma: 1 BT.709, 9 BT.2020 non-constant luminance.
    pub matrix_coefficients: Option<u8>,
}

/// Brightness of the content, in cd/m² from 0.0001 to 10 000.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContentLightLevel {
    /// The highest average luminance of a frame.
    pub max_fall: Option<f64>,
    /// The highest luminance of a pixel.
    pub max_cll: Option<f64>,
}

/// The display on which the content was made (SMPTE ST 2086).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MasteringDisplay {
    /// The red primary.
    pub red: Option<Chromaticity>,
    /// The green primary.
    pub green: Option<Chromaticity>,
    /// The blue primary.
    pub blue: Option<Chromaticity>,
    /// The white point.
    pub white_point: Option<Chromaticity>,
    /// The highest luminance, in cd/m² from 5 to 10 000.
    pub max_luminance: Option<f64>,
    /// The lowest luminance, in cd/m² from 0.0001 to 5.
    pub min_luminance: Option<f64>,
}

/// A colour as its CIE 1931 x and y, with four decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chromaticity {
    /// From 0.0001 to 0.74.
    pub x: f64,
    /// From 0.0001 to 0.84.
    pub y: f64,
}

impl ColorInfo {
    /// Reads the content of a metadata packet: pairs of name and value. Returns the last `colorInfo` among them, or
    /// `None` if there is none; `undefined` reads as the default. What has another type or range than it should
    /// reads as absent, and numbers are not checked further.
    ///
    /// # Errors
    ///
    /// [`Amf0Error`] if the content is not AMF0 or exceeds the decoder's limits.
    pub fn parse(content: &[u8]) -> Result<Option<Self>, Amf0Error> {
        let mut decoder = amf0::Decoder::new(Bytes::copy_from_slice(content));
        let mut color_info = None;
        while let Some(name) = decoder.next_value()? {
            let value = decoder.next_value()?;
            if name.as_str() == Some(NAME) {
                let properties = value.and_then(Value::into_object);
                color_info = Some(
                    properties
                        .as_ref()
                        .map_or_else(Self::default, Self::from_properties),
                );
            }
        }
        Ok(color_info)
    }

    /// The content of a metadata packet, for [`VideoBody::metadata`](super::VideoBody::metadata). Values are
    /// written as they are.
    #[must_use]
    #[expect(clippy::expect_used, reason = "names are short and nesting is shallow")]
    pub fn encode(&self) -> Bytes {
        let mut content = BytesMut::with_capacity(64);
        let properties = self.to_properties();
        let value = if properties.is_empty() {
            Value::Undefined
        } else {
            properties.into()
        };
        amf0::encode_all(&[NAME.into(), value], &mut content)
            .expect("names are short and nesting is shallow");
        content.freeze()
    }

    fn from_properties(properties: &Object) -> Self {
        let empty = Object::new();
        let part = |name| properties.get(name).and_then(Value::as_object).unwrap_or(&empty);
        let (config, cll, mdcv) = (part("colorConfig"), part("hdrCll"), part("hdrMdcv"));
        let code = |name| u8::try_from(config.get(name)?.to_u32()?).ok();
        let chromaticity = |x, y| {
            Some(Chromaticity {
                x: number(mdcv, x)?,
                y: number(mdcv, y)?,
            })
        };
        Self {
            color_config: ColorConfig {
                bit_depth: code("bitDepth"),
                color_primaries: code("colorPrimaries"),
                transfer_characteristics: code("transferCharacteristics"),
                matrix_coefficients: code("matrixCoefficients"),
            },
            content_light_level: ContentLightLevel {
                max_fall: number(cll, "maxFall"),
                max_cll: number(cll, "maxCLL"),
            },
            mastering_display: MasteringDisplay {
                red: chromaticity("redX", "redY"),
                green: chromaticity("greenX", "greenY"),
                blue: chromaticity("blueX", "blueY"),
                white_point: chromaticity("whitePointX", "whitePointY"),
                max_luminance: number(mdcv, "maxLuminance"),
                min_luminance: number(mdcv, "minLuminance"),
            },
        }
    }

    fn to_properties(self) -> Object {
        let Self {
            color_config,
            content_light_level,
            mastering_display,
        } = self;
        let mut config = Object::new();
        push(&mut config, "bitDepth", color_config.bit_depth);
        push(&mut config, "colorPrimaries", color_config.color_primaries);
        push(
            &mut config,
            "transferCharacteristics",
            color_config.transfer_characteristics,
        );
        push(
            &mut config,
            "matrixCoefficients",
            color_config.matrix_coefficients,
        );
        let mut cll = Object::new();
        push(&mut cll, "maxFall", content_light_level.max_fall);
        push(&mut cll, "maxCLL", content_light_level.max_cll);
        let mut mdcv = Object::new();
        for (x, y, color) in [
            ("redX", "redY", mastering_display.red),
            ("greenX", "greenY", mastering_display.green),
            ("blueX", "blueY", mastering_display.blue),
            ("whitePointX", "whitePointY", mastering_display.white_point),
        ] {
            push(&mut mdcv, x, color.map(|color| color.x));
            push(&mut mdcv, y, color.map(|color| color.y));
        }
        push(&mut mdcv, "maxLuminance", mastering_display.max_luminance);
        push(&mut mdcv, "minLuminance", mastering_display.min_luminance);
        let parts = [("colorConfig", config), ("hdrCll", cll), ("hdrMdcv", mdcv)];
        parts
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .fold(Object::new(), |properties, (name, part)| {
                properties.with(name, part)
            })
    }
}

const NAME: &str = "colorInfo";

fn number(properties: &Object, name: &str) -> Option<f64> {
    properties.get(name)?.to_number()
}

fn push(properties: &mut Object, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        properties.push(name, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_to_say_takes_back_what_was_said() {
        let undefined = b"\x02\0\x09colorInfo\x06";
        assert_eq!(ColorInfo::default().encode()[..], undefined[..]);
        for content in [
            &undefined[..],
            b"\x02\0\x09colorInfo\x03\0\0\x09",
            b"\x02\0\x09colorInfo",
        ] {
            assert_eq!(
                ColorInfo::parse(content),
                Ok(Some(ColorInfo::default())),
                "{content:?}"
            );
        }
    }

    #[test]
    fn other_names_are_skipped_and_the_last_color_info_counts() {
        let pairs = [
            "other".into(),
            Object::new()
                .with("colorConfig", Object::new().with("bitDepth", 8))
                .into(),
            NAME.into(),
            Object::new()
                .with("colorConfig", Object::new().with("bitDepth", 8))
                .into(),
            NAME.into(),
            Object::new()
                .with("colorConfig", Object::new().with("bitDepth", 10).with("new", 1))
                .into(),
            "last".into(),
            Value::Null,
        ];
        let mut content = BytesMut::new();
        amf0::encode_all(&pairs, &mut content).unwrap();
        let color_info = ColorInfo::parse(&content).unwrap().unwrap();
        assert_eq!(color_info.color_config.bit_depth, Some(10));
        content.clear();
        amf0::encode_all(&pairs[..2], &mut content).unwrap();
        assert_eq!(ColorInfo::parse(&content), Ok(None));
        assert_eq!(ColorInfo::parse(&[]), Ok(None));
    }

    #[test]
    fn values_of_other_types_and_ranges_are_absent() {
        let config = Object::new()
            .with("bitDepth", "deep")
            .with("colorPrimaries", 256)
            .with("matrixCoefficients", -1);
        let display = Object::new()
            .with("redX", 0.7)
            .with("maxLuminance", true)
            .with("minLuminance", Value::Null);
        let properties = Object::new()
            .with("colorConfig", config)
            .with("hdrCll", 5)
            .with("hdrMdcv", display);
        let mut content = BytesMut::new();
        amf0::encode_all(&[NAME.into(), properties.into()], &mut content).unwrap();
        let color_info = ColorInfo::parse(&content).unwrap().unwrap();
        assert_eq!(color_info.color_config, ColorConfig::default());
        assert_eq!(color_info.mastering_display.red, None, "half a colour is none");
        assert_eq!(color_info.mastering_display.min_luminance, None);
    }

    #[test]
    fn content_that_is_cut_off_is_an_error() {
        let content = ColorInfo {
            color_config: ColorConfig {
                bit_depth: Some(10),
                ..ColorConfig::default()
            },
            ..ColorInfo::default()
        }
        .encode();
        assert!(ColorInfo::parse(&content[..content.len() - 1]).is_err());
    }

    fn color_info() -> impl Strategy<Value = ColorInfo> {
        let code = || any::<Option<u8>>();
        let number = || prop::option::of(0.0001..10_000.0);
        let color =
            || prop::option::of((0.0001..0.74, 0.0001..0.84).prop_map(|(x, y)| Chromaticity { x, y }));
        (
            (code(), code(), code(), code()),
            (number(), number(), number(), number()),
            (color(), color(), color(), color()),
        )
            .prop_map(|(codes, numbers, colors)| ColorInfo {
                color_config: ColorConfig {
                    bit_depth: codes.0,
                    color_primaries: codes.1,
                    transfer_characteristics: codes.2,
                    matrix_coefficients: codes.3,
                },
                content_light_level: ContentLightLevel {
                    max_fall: numbers.0,
                    max_cll: numbers.1,
                },
                mastering_display: MasteringDisplay {
                    red: colors.0,
                    green: colors.1,
                    blue: colors.2,
                    white_point: colors.3,
                    max_luminance: numbers.2,
                    min_luminance: numbers.3,
                },
            })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed_again(color_info in color_info()) {
            prop_assert_eq!(ColorInfo::parse(&color_info.encode()), Ok(Some(color_info)));
        }
    }
}
