//! Budgets of size: 500 lines a file, 70 lines a function, in Rust, Solidity, Python and
//! JavaScript.

use super::Complaints;
use super::rust;
use super::source::{Language, Token, blank, tokens};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// A function and its length in lines, from the line of its name to its last.
struct Length {
    name: String,
    first_line: usize,
    lines: usize,
}

pub(super) fn check(text: &str, language: Language) -> Complaints {
    let mut complaints = Complaints::new();
    let lines = text.lines().count();
    if lines > FILE_LINES {
        complaints.push((0, format!("{lines} lines; a file stops at {FILE_LINES}")));
    }
    let functions = match language {
        Language::Rust => rust_functions(text),
        Language::Solidity => brace_functions(text, language, solidity_name),
        Language::JavaScript => brace_functions(text, language, javascript_name),
        Language::Python => python_functions(text),
    };
    for Length {
        name,
        first_line,
        lines,
    } in functions
    {
        if lines > FUNCTION_LINES {
            let message =
                format!("`{name}` has {lines} lines; a function stops at {FUNCTION_LINES}");
            complaints.push((first_line, message));
        }
    }
    complaints
}

fn rust_functions(text: &str) -> Vec<Length> {
    let functions = rust::read(text).functions.into_iter();
    functions
        .map(|function| Length {
            lines: function.last_line - function.first_line + 1,
            name: function.name,
            first_line: function.first_line,
        })
        .collect()
}

/// Functions of a language with braces; `name_of` says which function begins at an open brace.
fn brace_functions(
    text: &str,
    language: Language,
    name_of: fn(&[Token], usize) -> Option<Token>,
) -> Vec<Length> {
    let tokens = tokens(text, language);
    let mut open: Vec<Option<Token>> = Vec::new();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => open.push(name_of(&tokens, at)),
            "}" => {
                if let Some(Some(name)) = open.pop() {
                    let lines = token.line - name.line + 1;
                    found.push(Length {
                        name: name.text,
                        first_line: name.line,
                        lines,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// Walks back from the brace to the keyword, over parameters and modifiers.
fn solidity_name(tokens: &[Token], brace: usize) -> Option<Token> {
    let mut depth = 0_usize;
    for at in (0..brace).rev() {
        match tokens[at].text.as_str() {
            ")" => depth += 1,
            "(" => depth = depth.saturating_sub(1),
            "{" | "}" | ";" if depth == 0 => return None,
            "function" | "modifier" => return tokens.get(at + 1).cloned(),
            "constructor" | "receive" | "fallback" => return tokens.get(at).cloned(),
            _ => {}
        }
    }
    None
}

/// `name(…) {` of a function or method, or an arrow function's `=> {`.
fn javascript_name(tokens: &[Token], brace: usize) -> Option<Token> {
    let before = tokens.get(brace.checked_sub(1)?)?;
    if before.text == "=>" {
        return Some(Token {
            text: "an arrow function".to_owned(),
            line: before.line,
        });
    }
    if before.text != ")" {
        return None;
    }
    let mut depth = 0_usize;
    for at in (0..brace).rev() {
        match tokens[at].text.as_str() {
            ")" => depth += 1,
            "(" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let name = tokens.get(at.checked_sub(1)?)?;
            let is_statement = matches!(
                name.text.as_str(),
                "if" | "for" | "while" | "switch" | "catch" | "with"
            );
            return (name.is_word() && !is_statement).then(|| name.clone());
        }
    }
    None
}

/// A Python function ends before the next line that is not indented deeper than its `def`.
fn python_functions(text: &str) -> Vec<Length> {
    let code = blank(text, Language::Python);
    let lines: Vec<&str> = code.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start().trim_start_matches("async ");
        let Some(rest) = trimmed.strip_prefix("def ") else {
            continue;
        };
        let name: String = rest
            .chars()
            .take_while(|sign| sign.is_alphanumeric() || *sign == '_')
            .collect();
        let mut last = index;
        let mut in_signature = true;
        for (at, body) in lines.iter().enumerate().skip(index) {
            let written = body.trim();
            if at > index && !in_signature && !written.is_empty() && indent(body) <= indent(line) {
                break;
            }
            if !written.is_empty() {
                last = at;
            }
            in_signature &= !written.ends_with(':');
        }
        found.push(Length {
            name,
            first_line: index + 1,
            lines: last - index + 1,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function whose text is `head`, `count` lines of `line`, and `tail`.
    fn long(head: &str, line: &str, count: usize, tail: &str) -> String {
        format!("{head}\n{}{tail}\n", format!("{line}\n").repeat(count))
    }

    fn assert_budget(language: Language, head: &str, line: &str, tail: &str, name: &str) {
        let frame = if tail.is_empty() { 1 } else { 2 };
        let fits = long(head, line, FUNCTION_LINES - frame, tail);
        assert_eq!(check(&fits, language), Vec::new(), "{name}");
        let too_long = check(
            &long(head, line, FUNCTION_LINES - frame + 1, tail),
            language,
        );
        let expected = format!("`{name}` has 71 lines; a function stops at 70");
        assert_eq!(too_long, [(1, expected)]);
    }

    #[test]
    fn functions_stop_at_seventy_lines() {
        assert_budget(Language::Rust, "fn a(b: u8) {", "    c(\"}\");", "}", "a");
        assert_budget(
            Language::Solidity,
            "function a(B b) external c(d) {",
            "e();",
            "}",
            "a",
        );
        assert_budget(
            Language::Solidity,
            "constructor(A a) B(a) {",
            "if (c) { d(); }",
            "}",
            "constructor",
        );
        assert_budget(
            Language::JavaScript,
            "async function a(b) {",
            "if (c) { d(); }",
            "}",
            "a",
        );
        assert_budget(
            Language::JavaScript,
            "const a = (b) => {",
            "d();",
            "};",
            "an arrow function",
        );
        assert_budget(Language::Python, "def a(b):", "    c()", "", "a");
    }

    #[test]
    fn a_python_signature_over_several_lines_belongs_to_the_function() {
        let text = "def a(\n    b,\n):\n    \"\"\"c\n\nd\n\"\"\"\n    e()\n\n\nf = 1\n";
        let functions = python_functions(text);
        assert_eq!(functions.len(), 1);
        assert_eq!(functions[0].lines, 8);
    }

    #[test]
    fn files_stop_at_five_hundred_lines() {
        assert_eq!(
            check(&"// a\n".repeat(FILE_LINES), Language::Rust),
            Vec::new()
        );
        let found = check(&"// a\n".repeat(FILE_LINES + 1), Language::Rust);
        assert_eq!(found, [(0, "501 lines; a file stops at 500".to_owned())]);
    }
}
