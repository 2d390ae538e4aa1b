//! What the rules need to know of a Rust file: the paths that it names, the modules that it
//! declares, its functions, and where its tests are. Reads tokens; macros stay unexpanded.

use super::source::{Language, Token, tokens};

/// A path such as `crate::rounds::open`, from a `use` (one per leaf) or written inline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    /// The modules that surround it inside the file.
    pub(super) inside: Vec<String>,
    pub(super) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
}

#[derive(Default)]
pub(super) struct RustFile {
    pub(super) mentions: Vec<Mention>,
    pub(super) modules: Vec<(String, usize)>,
    pub(super) functions: Vec<Function>,
    /// Lines with `.unwrap()` outside tests.
    pub(super) unwraps: Vec<usize>,
    /// Lines with an `ignore` attribute.
    pub(super) ignored_tests: Vec<usize>,
}

pub(super) fn read(text: &str) -> RustFile {
    let tokens = tokens(text, Language::Rust);
    let mut reader = Reader {
        tokens: &tokens,
        ..Reader::default()
    };
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.file
}

#[derive(Default)]
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Open brackets of all kinds.
    depth: usize,
    inline_modules: Vec<(String, usize)>,
    test_depths: Vec<usize>,
    bodies: Vec<(String, usize, usize)>,
    /// An attribute said that the next item is a test.
    next_is_test: bool,
    /// Name, line and depth of a function whose body has not begun.
    next_function: Option<(String, usize, usize)>,
    file: RustFile,
}

impl Reader<'_> {
    fn step(&mut self) {
        let line = self.tokens[self.at].line;
        match self.text(0) {
            "#" if self.text(1) == "[" => self.attribute(),
            "use" => self.use_item(),
            "mod" if self.is_word(1) => self.module(line),
            "fn" if self.is_word(1) => {
                self.next_function = Some((self.text(1).to_owned(), line, self.depth));
                self.at += 2;
            }
            "{" | "(" | "[" => self.open(),
            "}" | ")" | "]" => self.close(line),
            ";" => self.end_statement(),
            "." if self.text(1) == "unwrap" && self.text(2) == "(" && self.text(3) == ")" => {
                if self.test_depths.is_empty() {
                    self.file.unwraps.push(self.tokens[self.at + 1].line);
                }
                self.at += 2;
            }
            _ if self.is_word(0) && self.text(1) == "::" => self.inline_path(line),
            _ => self.at += 1,
        }
    }

    fn attribute(&mut self) {
        let line = self.tokens[self.at].line;
        let mut words = Vec::new();
        let mut depth = 0;
        self.at += 1;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "[" | "(" => depth += 1,
                "]" | ")" => depth -= 1,
                word => words.push(word.to_owned()),
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let first = words.first().map_or("", String::as_str);
        let says_test = words.iter().any(|word| word == "test");
        let negated = words.iter().any(|word| word == "not");
        if says_test && !negated && matches!(first, "cfg" | "test" | "tokio") {
            self.next_is_test = true;
        }
        if first == "ignore" {
            self.file.ignored_tests.push(line);
        }
    }

    fn module(&mut self, line: usize) {
        let name = self.text(1).to_owned();
        self.file.modules.push((name.clone(), line));
        if self.text(2) == "{" {
            self.inline_modules.push((name, self.depth + 1));
        }
        self.at += 2;
    }

    fn use_item(&mut self) {
        self.at += 1;
        self.use_tree(&[]);
        self.next_is_test = false;
    }

    fn use_tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        while self.at < self.tokens.len() {
            match self.text(0) {
                "," | "}" | ";" => break,
                "::" => self.at += 1,
                "as" => self.at += 2,
                "{" => {
                    while matches!(self.text(0), "{" | ",") {
                        self.at += 1;
                        self.use_tree(&path);
                    }
                    // The closing brace.
                    self.at += 1;
                    return;
                }
                word => {
                    path.push(word.to_owned());
                    self.at += 1;
                }
            }
        }
        if path.len() > prefix.len() {
            self.mention(path, line);
        }
    }

    fn inline_path(&mut self, line: usize) {
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.is_word(1) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if self.text(0) == "::" {
            self.at += 1;
        }
        self.mention(path, line);
    }

    fn mention(&mut self, path: Vec<String>, line: usize) {
        let inside = self
            .inline_modules
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        self.file.mentions.push(Mention { path, inside, line });
    }

    fn open(&mut self) {
        let is_brace = self.text(0) == "{";
        self.depth += 1;
        self.at += 1;
        if !is_brace {
            return;
        }
        if self.next_is_test {
            self.next_is_test = false;
            self.test_depths.push(self.depth);
        }
        if let Some((name, line, _)) = self
            .next_function
            .take_if(|(_, _, depth)| *depth + 1 == self.depth)
        {
            self.bodies.push((name, line, self.depth));
        }
    }

    fn close(&mut self, line: usize) {
        self.at += 1;
        self.inline_modules
            .pop_if(|(_, depth)| *depth == self.depth);
        self.test_depths.pop_if(|depth| *depth == self.depth);
        if let Some((name, first_line, _)) =
            self.bodies.pop_if(|(_, _, depth)| *depth == self.depth)
        {
            self.file.functions.push(Function {
                name,
                first_line,
                last_line: line,
            });
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn end_statement(&mut self) {
        self.at += 1;
        self.next_function
            .take_if(|(_, _, depth)| *depth == self.depth);
        self.next_is_test = false;
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text.as_str())
    }

    fn is_word(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(Token::is_word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text)
            .mentions
            .into_iter()
            .map(|mention| mention.path.join("::"))
            .collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let text = "use crate::{rounds::{self, Round as R}, db}; pub use a::*; use ::b::c;";
        let expected = [
            "crate::rounds::self",
            "crate::rounds::Round",
            "crate::db",
            "a::*",
            "b::c",
        ];
        assert_eq!(paths(text), expected);
        assert_eq!(paths("use a::{b, c,}; d::e();"), ["a::b", "a::c", "d::e"]);
    }

    #[test]
    fn inline_paths_and_their_modules_are_found() {
        let file = read("fn f() { crate::a::b(); Vec::<u8>::new(); } mod m { super::c::d!(); }");
        let joined: Vec<String> = file.mentions.iter().map(|m| m.path.join("::")).collect();
        assert_eq!(joined, ["crate::a::b", "Vec", "super::c::d"]);
        assert_eq!(file.mentions[2].inside, ["m"]);
    }

    #[test]
    fn functions_know_their_lines() {
        let file = read("trait T { fn a(&self); }\nfn b(x: [u8; 2])\nwhere X: Y {\n  g(|| {});\n}");
        assert_eq!(
            file.functions,
            [Function {
                name: "b".to_owned(),
                first_line: 2,
                last_line: 5
            }]
        );
    }

    #[test]
    fn unwraps_count_outside_tests_only() {
        let text = "fn a() { b.unwrap(); }\n#[cfg(test)]\nmod tests { fn c() { d.unwrap(); } }\n\
                    #[cfg(test)]\nuse x::y;\nfn e() { f.unwrap() }\n#[test] fn g() { h.unwrap() }";
        assert_eq!(read(text).unwraps, [1, 6]);
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(
            read("#[test]\n#[ignore = \"slow\"]\nfn a() {}").ignored_tests,
            [2]
        );
    }
}
