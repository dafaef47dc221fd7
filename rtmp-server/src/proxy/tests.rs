use super::*;

/// Gives at most so many bytes a read, and counts what is taken.
struct Narrow<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl AsyncRead for Narrow<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let len = self.width.min(buf.remaining()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        buf.put_slice(now);
        self.bytes = later;
        std::task::Poll::Ready(Ok(()))
    }
}

/// Reads a header in front of RTMP, whatever the pieces, and asserts that RTMP is untouched.
async fn read(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let bytes = [header, b"\x03 and what follows"].concat();
    let mut results = Vec::new();
    for width in [1, 2, 3, 7, 13, usize::MAX] {
        let mut io = Narrow { bytes: &bytes, width };
        let result = read_header(&mut io).await;
        if result.is_ok() {
            assert_eq!(io.bytes, b"\x03 and what follows", "width {width}");
        }
        results.push(result);
    }
    let texts: Vec<_> = results.iter().map(|result| format!("{result:?}")).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    results.remove(0)
}

fn v2(version_and_command: u8, family: u8, len: u16, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([version_and_command, family]);
    header.extend(len.to_be_bytes());
    header.extend(rest);
    header
}

const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 0x07, 0x8F];

fn ipv6() -> Vec<u8> {
    let mut block = vec![0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    block.extend([0; 16]);
    block.extend([0xDC, 0x04, 0x07, 0x8F]);
    block
}

/// Section 2.1, with its examples of the longest lines.
#[tokio::test]
async fn lines_of_version_1_name_the_client() {
    for (line, client) in [
        (
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 1935\r\n",
            Some("192.0.2.7:56324"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Some("255.255.255.255:65535"),
        ),
        (
            "PROXY TCP6 2001:db8::7 ::1 56324 1935\r\n",
            Some("[2001:db8::7]:56324"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
    ] {
        let expected = client.map(|text| text.parse().unwrap());
        assert_eq!(read(line.as_bytes()).await.unwrap(), expected, "{line}");
    }
}

/// Section 2.2.
#[tokio::test]
async fn headers_of_version_2_name_the_client() {
    let client = read(&v2(0x21, 0x11, 12, &IPV4)).await.unwrap();
    assert_eq!(client, Some("192.0.2.7:56324".parse().unwrap()));
    let client = read(&v2(0x21, 0x21, 36, &ipv6())).await.unwrap();
    assert_eq!(client, Some("[2001:db8::7]:56324".parse().unwrap()));
}

#[tokio::test]
async fn what_stands_behind_the_addresses_is_skipped() {
    for extra in [1, 511, 512, 513, 65_535 - 12] {
        let rest = [&IPV4[..], &vec![0x55; extra]].concat();
        let client = read(&v2(0x21, 0x11, (12 + extra) as u16, &rest)).await.unwrap();
        assert_eq!(client, Some("192.0.2.7:56324".parse().unwrap()), "{extra} bytes");
    }
}

/// Section 2.2.3: the checksum may stand between others, and is computed with zeros in its place.
#[tokio::test]
async fn a_checksum_is_verified_wherever_it_stands() {
    let values = |checksum: [u8; 4]| {
        let others: &[&[u8]] = &[&IPV4, b"\x05\0\x02id", b"\x03\0\x04", &checksum, b"\x04\0\0"];
        v2(0x21, 0x11, 12 + 5 + 7 + 3, &others.concat())
    };
    let ProxyError::Checksum {
        announced: 0,
        computed,
    } = read(&values([0; 4])).await.unwrap_err()
    else {
        panic!("a wrong checksum");
    };
    let good = values(computed.to_be_bytes());
    assert_eq!(
        read(&good).await.unwrap(),
        Some("192.0.2.7:56324".parse().unwrap())
    );
    for place in 16..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        // With another type or length in front of it the checksum is not found.
        let hides_it = matches!(place, 29 | 30 | 33..=35);
        assert_eq!(read(&bad).await.is_ok(), hides_it, "{place}");
    }
}

#[tokio::test]
async fn headers_that_name_nobody_are_understood() {
    assert_eq!(read(&v2(0x20, 0x00, 0, &[])).await.unwrap(), None);
    assert_eq!(
        read(&v2(0x20, 0x11, 12, &IPV4)).await.unwrap(),
        None,
        "LOCAL with addresses"
    );
    assert_eq!(
        read(&v2(0x21, 0x00, 3, &[1, 2, 3])).await.unwrap(),
        None,
        "UNSPEC"
    );
    assert_eq!(
        read(&v2(0x21, 0x31, 216, &[0; 216])).await.unwrap(),
        None,
        "Unix sockets"
    );
    assert_eq!(read(&v2(0x21, 0x12, 12, &IPV4)).await.unwrap(), None, "datagrams");
}

#[tokio::test]
async fn what_is_no_header_is_told() {
    for (bytes, text) in [
        (&b"\x03"[..], "no PROXY header: the connection begins with [03]"),
        (
            b"PRUNE",
            "no PROXY header: the connection begins with [50, 52, 55]",
        ),
        (
            b"\r\n\r\n\0\r\nQUIZ",
            "no PROXY header: the connection begins with [0d, 0a, 0d, 0a, 00, 0d, 0a, 51, 55, 49, 5a]",
        ),
        (
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "the PROXY line is malformed: PROXY TCP4 192.0.2.7 198.51.100.1 56324",
        ),
        (
            b"PROXY TCP4 ::1 ::1 1 1\r\n",
            "the PROXY line is malformed: PROXY TCP4 ::1 ::1 1 1",
        ),
        (
            b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
            "the PROXY line is malformed: PROXY TCP4 1.2.3.4 1.2.3.4 65536 1",
        ),
        (
            b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
            "the PROXY line is malformed: PROXY TCP4 1.2.3.4 1.2.3.4 +1 1",
        ),
        (
            b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
            "the PROXY line is malformed: PROXY TCP4  1.2.3.4 1.2.3.4 1 1",
        ),
        (
            b"PROXY TCP9 \x1b[2J\xff 1.2.3.4 1\r\n",
            "the PROXY line is malformed: PROXY TCP9 \\x1b[2J\\xff 1.2.3.4 1",
        ),
    ] {
        assert_eq!(read(bytes).await.unwrap_err().to_string(), text);
    }
    let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    assert_eq!(
        read(&endless).await.unwrap_err().to_string(),
        "the PROXY line is longer than 107 bytes"
    );
    for (header, text) in [
        (
            v2(0x11, 0x11, 12, &IPV4),
            "version 1 of the PROXY protocol is not known",
        ),
        (
            v2(0x22, 0x11, 12, &IPV4),
            "command 2 of the PROXY protocol is not known",
        ),
        (
            v2(0x21, 0x41, 12, &IPV4),
            "address family and protocol 0x41 of the PROXY protocol are not known",
        ),
        (
            v2(0x21, 0x21, 35, &[0; 35]),
            "the PROXY header has 35 bytes for addresses of 36",
        ),
        (
            v2(0x21, 0x11, 0, &[]),
            "the PROXY header has 0 bytes for addresses of 12",
        ),
    ] {
        assert_eq!(read(&header).await.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_the_header_is_told() {
    let whole = v2(0x21, 0x11, 65_535, &IPV4);
    for len in [0, 1, 12, 16, 20, 28] {
        let mut io = &whole[..len];
        let error = read_header(&mut io).await.unwrap_err();
        assert!(matches!(error, ProxyError::Closed), "{len} bytes: {error:?}");
    }
}

#[tokio::test]
async fn any_bytes_are_a_header_or_an_error_however_they_are_cut() {
    let starts = [
        b"".to_vec(),
        b"PROXY ".to_vec(),
        b"PROXY TCP4 ".to_vec(),
        v2(0x21, 0x11, 40, &[]),
    ];
    let mut random: u32 = 1;
    for round in 0..4000 {
        let mut bytes = starts[round % starts.len()].clone();
        for _ in 0..round % 120 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push((random >> 24) as u8);
        }
        let mut results = Vec::new();
        for width in [1, 5, usize::MAX] {
            let mut io = Narrow { bytes: &bytes, width };
            results.push((format!("{:?}", read_header(&mut io).await), io.bytes.len()));
        }
        let first = &results[0];
        // How much was read of what is no header depends on the pieces.
        let is_same = |other: &(String, usize)| {
            other.0 == first.0 && (other.1 == first.1 || other.0.starts_with("Err"))
        };
        assert!(results.iter().all(is_same), "{bytes:02x?}: {results:?}");
    }
}
