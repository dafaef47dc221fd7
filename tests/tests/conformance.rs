//! Compares docs/conformance.md, docs/interop.md and docs/hostile-inputs.md with the sources, so that none of them rots.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// Statements of docs/conformance.md, numbered from 1.
const STATEMENTS: u32 = 196;

/// The cells of the rows of all tables, without the heads.
fn rows(page: &str) -> Vec<Vec<String>> {
    let is_row = |line: &&str| line.starts_with('|') && !line.starts_with("|---");
    let lines: Vec<_> = page.lines().collect();
    let is_head = |place: usize| lines.get(place + 1).is_some_and(|next| next.starts_with("|---"));
    (0..lines.len())
        .filter(|&place| is_row(&lines[place]) && !is_head(place))
        .map(|place| {
            let line = lines[place].trim_matches('|');
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

fn page(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let rows = rows(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    assert!(!rows.is_empty(), "{name} has no table");
    rows
}

/// The tests that a cell names, as file and function.
fn named_tests(cell: &str) -> Vec<(&str, &str)> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once("::"))
        .collect()
}

/// Whether a source has a function of this name, marked as a test.
fn has_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    source.match_indices(&function).any(|(place, _)| {
        let before = &source[..place];
        // Attributes stand between the end of what is before and the function.
        let attributes = before.rfind('}').map_or(before, |end| &before[end..]);
        attributes.contains("#[test]") || attributes.contains("#[tokio::test")
    })
}

/// What is wrong with the tests that the last cells of the rows name.
fn faults(rows: &[Vec<String>]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = HashMap::new();
    let mut faults = Vec::new();
    for row in rows {
        for (file, name) in row.last().map(|cell| named_tests(cell)).unwrap_or_default() {
            let source = sources
                .entry(file.to_owned())
                .or_insert_with(|| fs::read_to_string(root.join(file)).unwrap_or_default());
            if !has_test(source, name) {
                faults.push(format!("{}: there is no test {file}::{name}", row[0]));
            }
        }
    }
    faults
}

/// `7`, `7, 8` or `7 to 9`.
fn numbers(cell: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in cell.split(", ") {
        match part.split_once(" to ") {
            Some((from, to)) => numbers.extend(from.parse::<u32>().ok()?..=to.parse().ok()?),
            None => numbers.push(part.parse::<u32>().ok()?),
        }
    }
    Some(numbers)
}

#[test]
fn every_test_that_is_named_exists() {
    let faults: Vec<_> = ["conformance.md", "interop.md", "hostile-inputs.md"]
        .into_iter()
        .flat_map(|name| faults(&page(name)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_statement_is_there_once() {
    let mut counts: BTreeMap<u32, usize> = (1..=STATEMENTS).map(|number| (number, 0)).collect();
    for row in page("conformance.md") {
        for number in numbers(&row[0]).unwrap_or_default() {
            *counts.entry(number).or_default() += 1;
        }
    }
    assert_eq!(counts.len() as u32, STATEMENTS, "{:?}", counts.last_key_value());
    let wrong: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(wrong.is_empty(), "(number, count): {wrong:?}");
}

#[test]
fn every_statement_has_a_test_or_says_that_it_is_not_held() {
    for row in page("conformance.md") {
        if row.len() == 3 && numbers(&row[0]).is_some() {
            let is_honest = !named_tests(&row[2]).is_empty() || row[2].starts_with("not yet: ");
            assert!(is_honest, "{row:?}");
        }
    }
}

#[test]
fn every_fault_of_users_is_there_once_with_a_test_of_its_number() {
    let rows = page("conformance.md");
    let faults = rows.iter().filter(|row| numbers(&row[0]).is_none());
    let mut seen = Vec::new();
    for row in faults {
        let prefix = format!("{}_", row[0].to_lowercase());
        let is_named = named_tests(&row[2])
            .iter()
            .any(|(file, name)| file.starts_with("tests/tests/regressions/") && name.starts_with(&prefix));
        assert!(is_named, "{row:?}");
        assert!(!seen.contains(&prefix), "{prefix} is there twice");
        seen.push(prefix);
    }
    assert!(!seen.is_empty());
}

#[test]
fn every_deviation_has_a_test() {
    for row in page("interop.md") {
        assert!(!named_tests(row.last().unwrap()).is_empty(), "{row:?}");
    }
}

/// The numbers in the names of the tests of the hostile suite, such as `4.12` of `h4_12_a_message_that_never_ends`.
fn attacks() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let sources = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let number = |name: &str| {
        let (section, rest) = name.split_once('_')?;
        let (row, _) = rest.split_once('_')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(section) && is_number(row)).then(|| format!("{section}.{row}"))
    };
    sources
        .flat_map(|source| {
            source
                .split("fn h")
                .skip(1)
                .filter_map(number)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_attack_stands_in_the_row_of_its_number_and_every_row_has_a_test() {
    let mut attacks = attacks();
    for row in page("hostile-inputs.md") {
        let tests = named_tests(&row[3]);
        assert!(!tests.is_empty(), "{row:?}");
        if let Some(place) = attacks.iter().position(|number| *number == row[0]) {
            let prefix = format!("h{}_", attacks.swap_remove(place).replace('.', "_"));
            let is_named = tests.iter().any(|(_, name)| name.starts_with(&prefix));
            assert!(is_named, "{row:?} does not name its test");
        }
    }
    assert_eq!(attacks, [""; 0], "no row, or two tests for one");
}

#[test]
fn a_page_that_is_wrong_is_noticed() {
    let row = |cells: [&str; 3]| vec![cells.map(str::to_owned).to_vec()];
    let here = "tests/tests/conformance.rs";
    let named = |name: &str| faults(&row(["1", "", &format!("`{here}::{name}`")]));
    assert!(named("every_deviation_has_a_test").is_empty());
    assert_eq!(named("no_such_test").len(), 1);
    // A function, but no test.
    assert_eq!(named("numbers").len(), 1);
    assert_eq!(faults(&row(["1", "", "`no/such/file.rs::x`"])).len(), 1);
    assert_eq!(numbers("7 to 9, 12"), Some(vec![7, 8, 9, 12]));
    assert_eq!(numbers("I8"), None);
    let table = "| a | b |\n|---|---|\n| 1 | x |\n\n| c |\n|---|\n| 2 |\n";
    assert_eq!(rows(table), [vec!["1", "x"], vec!["2"]]);
}
