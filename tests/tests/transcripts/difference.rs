//! What two transcripts do not have in common, and whether that is as declared.

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The recordings that have it.
    pub(crate) of: &'static [&'static [&'static str]],
    /// Lines that only the recording has.
    pub(crate) theirs: &'static [&'static str],
    /// Lines that only we have.
    pub(crate) ours: &'static [&'static str],
    /// Why that is so.
    pub(crate) why: &'static str,
}

/// Asserts that `ours` differs from the recording of this name in what the table declares for it, and in nothing else.
///
/// A `*` in a declared line stands for anything.
#[track_caller]
pub(crate) fn assert_differs_as_declared(
    name: &str,
    theirs: &[String],
    ours: &[String],
    declared: &[Difference],
) {
    let (mut only_theirs, mut only_ours) = differing(theirs, ours);
    let mut faults = Vec::new();
    for difference in declared.iter().filter(|difference| difference.is_of(name)) {
        for (who, lines, found) in [
            ("only theirs", difference.theirs, &mut only_theirs),
            ("only ours", difference.ours, &mut only_ours),
        ] {
            for line in lines {
                match found.iter().position(|found| matches(line, found)) {
                    Some(place) => drop(found.remove(place)),
                    None => faults.push(format!("not {who}: {line}\n    although {}", difference.why)),
                }
            }
        }
    }
    faults.extend(
        only_theirs
            .iter()
            .map(|line| format!("only theirs, undeclared: {line}")),
    );
    faults.extend(
        only_ours
            .iter()
            .map(|line| format!("only ours, undeclared: {line}")),
    );
    assert!(faults.is_empty(), "{name}\n{}", faults.join("\n"));
}

/// Asserts that all differences are of recordings that are compared.
pub(crate) fn assert_each_is_of(declared: &[Difference], is_compared: impl Fn(&str) -> bool) {
    for difference in declared {
        let unknown: Vec<_> = difference
            .of
            .concat()
            .into_iter()
            .filter(|name| !is_compared(name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}: {}", difference.why);
    }
}

impl Difference {
    fn is_of(&self, name: &str) -> bool {
        self.of.iter().any(|names| names.contains(&name))
    }
}

fn matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((start, end)) => {
            line.len() >= start.len() + end.len() && line.starts_with(start) && line.ends_with(end)
        }
    }
}

/// The lines beside a longest common subsequence.
fn differing(theirs: &[String], ours: &[String]) -> (Vec<String>, Vec<String>) {
    // The length of that subsequence from each pair of places on.
    let mut common = vec![vec![0_usize; ours.len() + 1]; theirs.len() + 1];
    for their in (0..theirs.len()).rev() {
        for our in (0..ours.len()).rev() {
            common[their][our] = if theirs[their] == ours[our] {
                common[their + 1][our + 1] + 1
            } else {
                common[their + 1][our].max(common[their][our + 1])
            };
        }
    }
    let (mut only_theirs, mut only_ours) = (Vec::new(), Vec::new());
    let (mut their, mut our) = (0, 0);
    while their < theirs.len() || our < ours.len() {
        if their < theirs.len() && our < ours.len() && theirs[their] == ours[our] {
            their += 1;
            our += 1;
        } else if our == ours.len()
            || their < theirs.len() && common[their + 1][our] >= common[their][our + 1]
        {
            only_theirs.push(theirs[their].clone());
            their += 1;
        } else {
            only_ours.push(ours[our].clone());
            our += 1;
        }
    }
    (only_theirs, only_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    const DECLARED: &[Difference] = &[Difference {
        of: &[&["ffmpeg"]],
        theirs: &["a 1"],
        ours: &["a *"],
        why: "numbers differ",
    }];

    #[test]
    fn what_is_declared_is_no_fault() {
        assert_differs_as_declared("ffmpeg", &lines(&["a 1", "b"]), &lines(&["a 2", "b"]), DECLARED);
        assert_differs_as_declared("nginx", &lines(&["a 1", "b"]), &lines(&["a 1", "b"]), DECLARED);
    }

    #[test]
    #[should_panic(expected = "only ours, undeclared: c")]
    fn a_line_more_is_a_fault() {
        assert_differs_as_declared("ffmpeg", &lines(&["a 1"]), &lines(&["a 2", "c"]), DECLARED);
    }

    #[test]
    #[should_panic(expected = "only theirs, undeclared: b")]
    fn another_order_is_a_fault() {
        assert_differs_as_declared(
            "nginx",
            &lines(&["b", "c", "d"]),
            &lines(&["c", "d", "b"]),
            DECLARED,
        );
    }

    #[test]
    #[should_panic(expected = "although numbers differ")]
    fn a_declared_difference_that_is_none_is_a_fault() {
        assert_differs_as_declared("ffmpeg", &lines(&["a 1"]), &lines(&["a 1"]), DECLARED);
    }
}
