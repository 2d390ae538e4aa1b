//! Source text without what only looks like code: comments and the insides of literals become
//! spaces, line breaks stay, so that positions and line numbers are those of the file.

/// The languages inside the budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Solidity,
    JavaScript,
    Python,
}

impl Language {
    pub(super) fn of(path: &str) -> Option<Language> {
        match path.rsplit_once('.')?.1 {
            "rs" => Some(Language::Rust),
            "sol" => Some(Language::Solidity),
            "js" | "mjs" | "cjs" => Some(Language::JavaScript),
            "py" => Some(Language::Python),
            _ => None,
        }
    }
}

/// A word, a number's digits, `::`, `=>` or one other sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        self.text
            .starts_with(|sign: char| sign.is_alphabetic() || sign == '_')
    }
}

/// The tokens of a source text, comments and literals left out.
pub(super) fn tokens(text: &str, language: Language) -> Vec<Token> {
    let code: Vec<char> = blank(text, language).chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&sign) = code.get(at) {
        let length = if is_word_sign(sign) {
            code[at..]
                .iter()
                .take_while(|&&next| is_word_sign(next))
                .count()
        } else if matches!(
            (sign, code.get(at + 1)),
            (':', Some(':')) | ('=', Some('>'))
        ) {
            2
        } else {
            1
        };
        if sign == '\n' {
            line += 1;
        } else if !sign.is_whitespace() {
            tokens.push(Token {
                text: code[at..at + length].iter().collect(),
                line,
            });
        }
        at += length;
    }
    tokens
}

/// The text with comments and the insides of literals turned into spaces.
pub(super) fn blank(text: &str, language: Language) -> String {
    let mut blanker = Blanker {
        signs: text.chars().collect(),
        at: 0,
        out: String::new(),
        language,
    };
    while blanker.at < blanker.signs.len() {
        blanker.step();
    }
    blanker.out
}

fn is_word_sign(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

struct Blanker {
    signs: Vec<char>,
    at: usize,
    out: String,
    language: Language,
}

impl Blanker {
    fn step(&mut self) {
        let python = self.language == Language::Python;
        if !python && self.looking_at("//") || python && self.looking_at("#") {
            self.hide_until(|signs, at| signs[at] == '\n', 0);
        } else if !python && self.looking_at("/*") {
            self.block_comment();
        } else if python && (self.looking_at("\"\"\"") || self.looking_at("'''")) {
            let quote = self.signs[self.at];
            self.hide(3);
            self.hide_until(
                move |signs, at| signs[at..].iter().take(3).all(|s| *s == quote),
                3,
            );
        } else if let Some(hashes) = self.raw_string() {
            self.hide_until(move |signs, at| closes_raw(signs, at, hashes), hashes + 1);
        } else {
            self.literal_or_code();
        }
    }

    fn literal_or_code(&mut self) {
        let quote = self.signs[self.at];
        let opens = match (quote, self.language) {
            ('"', _) => true,
            ('\'', Language::Rust) => self.is_char_literal(),
            ('\'', _) => true,
            ('`', Language::JavaScript) => true,
            ('/', Language::JavaScript) => self.is_pattern(),
            _ => false,
        };
        if !opens {
            self.show();
            return;
        }
        self.show();
        while self.at < self.signs.len() && self.signs[self.at] != quote {
            let escaped = self.signs[self.at] == '\\';
            self.hide(if escaped { 2 } else { 1 });
        }
        if self.at < self.signs.len() {
            self.show();
        }
    }

    /// Rust's nest, the others' do not.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.looking_at("/*") && (depth == 0 || self.language == Language::Rust) {
                depth += 1;
                self.hide(2);
            } else if self.looking_at("*/") {
                depth -= 1;
                self.hide(2);
            } else {
                self.hide(1);
            }
            if depth == 0 || self.at >= self.signs.len() {
                return;
            }
        }
    }

    /// Steps over the opening of a raw string and returns its number of hashes.
    fn raw_string(&mut self) -> Option<usize> {
        let opens = self.language == Language::Rust && self.signs[self.at] == 'r';
        if !opens || self.at > 1 && self.previous_two_are_word() {
            return None;
        }
        let hashes = self.signs[self.at + 1..]
            .iter()
            .take_while(|sign| **sign == '#')
            .count();
        if self.signs.get(self.at + 1 + hashes) != Some(&'"') {
            return None;
        }
        self.hide(hashes + 2);
        Some(hashes)
    }

    /// `br"` and `cr"` open raw strings, the `r` of a longer word does not.
    fn previous_two_are_word(&self) -> bool {
        is_word_sign(self.signs[self.at - 1]) && is_word_sign(self.signs[self.at - 2])
    }

    fn is_char_literal(&self) -> bool {
        self.signs.get(self.at + 1) == Some(&'\\') || self.signs.get(self.at + 2) == Some(&'\'')
    }

    /// A slash after an operator or at the start of an expression opens a pattern.
    fn is_pattern(&self) -> bool {
        let before = self.signs[..self.at]
            .iter()
            .rev()
            .find(|sign| !sign.is_whitespace());
        before.is_none_or(|sign| "(,=:[!&|?{};".contains(*sign))
    }

    fn looking_at(&self, what: &str) -> bool {
        what.chars()
            .enumerate()
            .all(|(offset, sign)| self.signs.get(self.at + offset) == Some(&sign))
    }

    fn hide_until(&mut self, is_end: impl Fn(&[char], usize) -> bool, end_length: usize) {
        while self.at < self.signs.len() && !is_end(&self.signs, self.at) {
            self.hide(1);
        }
        self.hide(end_length);
    }

    fn hide(&mut self, count: usize) {
        for _ in 0..count {
            let Some(sign) = self.signs.get(self.at) else {
                return;
            };
            self.out.push(if *sign == '\n' { '\n' } else { ' ' });
            self.at += 1;
        }
    }

    fn show(&mut self) {
        self.out.push(self.signs[self.at]);
        self.at += 1;
    }
}

fn closes_raw(signs: &[char], at: usize, hashes: usize) -> bool {
    signs[at] == '"'
        && signs[at + 1..]
            .iter()
            .take_while(|sign| **sign == '#')
            .count()
            >= hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, language: Language) -> String {
        let tokens = tokens(text, language);
        tokens
            .into_iter()
            .map(|token| token.text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn rust_literals_and_comments_are_blank() {
        let text = "let a = \"x::y \\\" {\"; /* b /* c */ } */ let d = '{'; // e\nf::<'g>('\\'')";
        assert_eq!(
            words(text, Language::Rust),
            "let a = \" \" ; let d = ' ' ; f :: < ' g > ( ' ' )"
        );
        assert_eq!(
            words("r#\"{ \" {\"# ; br\"{\" ; for_r", Language::Rust),
            "; b ; for_r"
        );
    }

    #[test]
    fn other_languages_are_blanked_too() {
        assert_eq!(
            words("a = /[{'\"]/; b = `${c}{`; d / e", Language::JavaScript),
            "a = / / ; b = ` ` ; d / e"
        );
        assert_eq!(words("'''{\n''' # {\nx = '{'", Language::Python), "x = ' '");
        assert_eq!(
            words("string s = '{'; /* } */", Language::Solidity),
            "string s = ' ' ;"
        );
    }

    #[test]
    fn lines_are_counted_through_blanked_text() {
        let tokens = tokens("/*\n\n*/ a\n\"\n\" b", Language::Rust);
        let lines: Vec<usize> = tokens
            .iter()
            .filter(|t| t.is_word())
            .map(|t| t.line)
            .collect();
        assert_eq!(lines, [3, 5]);
    }
}
