//! Where two dumps differ, for a person to read.

use std::fmt::Write as _;

use serde_json::Value;

/// One block of text a difference; empty when the two are equal.
#[must_use]
pub fn differences(node: &Value, oxherd: &Value) -> String {
    differences_between(["node", "oxherd"], node, oxherd)
}

/// The same for two sides with these names.
#[must_use]
pub fn differences_between(names: [&str; 2], left: &Value, right: &Value) -> String {
    let width = names[0].len().max(names[1].len());
    let marks = names.map(|name| format!("  {name:width$}"));
    let mut text = String::new();
    compare("", &marks, left, right, &mut text);
    text
}

fn compare(path: &str, marks: &[String; 2], left: &Value, right: &Value, text: &mut String) {
    if left == right {
        return;
    }
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path} › {name}")
                };
                let side = |side: Option<&Value>| side.cloned().unwrap_or(Value::Null);
                compare(&path, marks, &side(left.get(name)), &side(right.get(name)), text);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            text.push_str(&format!("{path}\n"));
            side_by_side(marks, left, right, text);
        }
        _ => text.push_str(&format!(
            "{path}\n{} {}\n{} {}\n",
            marks[0],
            shown(left),
            marks[1],
            shown(right)
        )),
    }
}

/// Both lists in one: common entries plain, the others marked with whose they are.
fn side_by_side(marks: &[String; 2], left: &[Value], right: &[Value], text: &mut String) {
    let unmarked = " ".repeat(marks[0].len());
    let common = longest_common(left, right);
    let (mut at_left, mut at_right) = (0, 0);
    while at_left < left.len() || at_right < right.len() {
        let (mark, entry) =
            if at_left < left.len() && at_right < right.len() && left[at_left] == right[at_right] {
                at_left += 1;
                at_right += 1;
                (&unmarked, &left[at_left - 1])
            } else if at_right == right.len()
                || (at_left < left.len() && common[at_left + 1][at_right] >= common[at_left][at_right + 1])
            {
                at_left += 1;
                (&marks[0], &left[at_left - 1])
            } else {
                at_right += 1;
                (&marks[1], &right[at_right - 1])
            };
        writeln!(text, "{mark} {}", shown(entry)).expect("writing to a string cannot fail");
    }
}

/// How many entries the rests of the two lists have in common, in order, from each pair of places on.
fn longest_common(left: &[Value], right: &[Value]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; right.len() + 1]; left.len() + 1];
    for at_left in (0..left.len()).rev() {
        for at_right in (0..right.len()).rev() {
            common[at_left][at_right] = if left[at_left] == right[at_right] {
                common[at_left + 1][at_right + 1] + 1
            } else {
                common[at_left + 1][at_right].max(common[at_left][at_right + 1])
            };
        }
    }
    common
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn a_mismatch_names_its_place_and_both_sides() {
        let node = json!({"bull:mail:1": {"atm": "2", "name": "n"}, "bull:mail:events": ["added", "waiting", "active"]});
        let oxherd = json!({"bull:mail:1": {"atm": "3", "name": "n"}, "bull:mail:events": ["added", "active", "stalled"]});
        assert_eq!(
            differences(&node, &oxherd),
            "bull:mail:1 › atm\n  node   2\n  oxherd 3\n\
             bull:mail:events\n         added\n  node   waiting\n         active\n  oxherd stalled\n"
        );
        assert_eq!(differences(&node, &node), "");
    }
}
