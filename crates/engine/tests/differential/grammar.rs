//! Random commands from a description of their forms.
//!
//! One line describes one form of a command as its documentation does, so that a glance shows which options are
//! covered:
//!
//! * `WORD` stands for itself, `{pool}` for a value of that pool, `{^}` for the key chosen last;
//! * `(a|b)` is a choice, `[a|b]` one that may be left out, `<a b c>` all of them in any order;
//! * `x*1-3` repeats, `#x*1-3` puts the number of repetitions before them, `x*@` repeats as often as that;
//! * `"…"` is one word whatever is in it; `other!` before a command gives it to another client;
//! * `;;` separates the commands of a small scene; a leading number is the form's weight.
//!
//! Next: `pools.rs` (values), `mutation.rs` (how commands go wrong), `families/`.

use fastrand::Rng;

use crate::pools::Pools;
use crate::step::Arguments;

#[derive(Clone, Debug)]
enum Node {
    Word(Vec<u8>),
    Pool(String),
    LastKey,
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Optional(Box<Node>),
    Shuffle(Vec<Node>),
    Repeat(Box<Node>, usize, usize),
    Counted(Box<Node>, usize, usize),
    Again(Box<Node>),
}

/// A line: one command or several in a row.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) weight: u32,
    commands: Vec<Node>,
}

impl Form {
    /// The forms of a description, one a line; empty lines are skipped.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(Self::parse).collect()
    }

    fn parse(line: &str) -> Self {
        let (weight, rest) = match line.split_once(' ') {
            Some((number, rest)) if number.parse::<u32>().is_ok() => {
                (number.parse().expect("a number"), rest)
            }
            _ => (4, line),
        };
        let commands = rest
            .split(" ;; ")
            .map(|command| {
                let mut parser = Parser { rest: command.trim() };
                let node = parser.sequence();
                assert!(
                    parser.rest.is_empty(),
                    "cannot read {:?} of {line:?}",
                    parser.rest
                );
                node
            })
            .collect();
        Self { weight, commands }
    }

    /// The words each command starts with, at most two: `SET`, `OBJECT ENCODING`.
    pub(crate) fn names(&self) -> Vec<Arguments> {
        self.commands.iter().flat_map(names).collect()
    }

    pub(crate) fn generate(&self, random: &mut Rng, pools: &Pools) -> Vec<Arguments> {
        let mut state = State {
            random,
            pools,
            last_key: Vec::new(),
            last_count: 0,
        };
        let mut commands = Vec::new();
        for command in &self.commands {
            let mut arguments = Vec::new();
            state.generate(command, &mut arguments);
            commands.push(arguments);
        }
        commands
    }
}

fn names(node: &Node) -> Vec<Arguments> {
    match node {
        Node::Word(word) => vec![vec![word.clone()]],
        Node::Choice(nodes) => nodes.iter().flat_map(names).collect(),
        Node::Sequence(nodes) => match nodes.as_slice() {
            [Node::Word(word), rest @ ..] if word == b"other!" => names(&Node::Sequence(rest.to_vec())),
            [Node::Word(first), Node::Word(second), ..] => vec![vec![first.clone(), second.clone()]],
            [first, ..] => names(first),
            [] => Vec::new(),
        },
        _ => Vec::new(),
    }
}

struct State<'a> {
    random: &'a mut Rng,
    pools: &'a Pools,
    last_key: Vec<u8>,
    last_count: usize,
}

impl State<'_> {
    fn generate(&mut self, node: &Node, into: &mut Arguments) {
        match node {
            Node::Word(word) => into.push(word.clone()),
            Node::Pool(name) => {
                let value = self.pools.pick(name, self.random);
                if name == "k" || name == "x" {
                    self.last_key.clone_from(&value);
                }
                into.push(value);
            }
            Node::LastKey => into.push(self.last_key.clone()),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.generate(node, into)),
            Node::Choice(nodes) => {
                let chosen = &nodes[self.random.usize(..nodes.len())];
                self.generate(chosen, into);
            }
            Node::Optional(inner) => {
                if self.random.u32(..100) < 33 {
                    self.generate(inner, into);
                }
            }
            Node::Shuffle(nodes) => {
                let mut order: Vec<&Node> = nodes.iter().collect();
                self.random.shuffle(&mut order);
                order.into_iter().for_each(|node| self.generate(node, into));
            }
            Node::Repeat(inner, least, most) => {
                let count = self.random.usize(*least..=*most);
                (0..count).for_each(|_| self.generate(inner, into));
            }
            Node::Counted(inner, least, most) => {
                let count = self.random.usize(*least..=*most);
                self.last_count = count;
                into.push(count.to_string().into_bytes());
                (0..count).for_each(|_| self.generate(inner, into));
            }
            Node::Again(inner) => (0..self.last_count).for_each(|_| self.generate(inner, into)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, expected: char) {
        assert_eq!(self.peek(), Some(expected), "before {:?}", self.rest);
        self.rest = &self.rest[1..];
    }

    fn sequence(&mut self) -> Node {
        let mut nodes = Vec::new();
        while let Some(next) = self.peek() {
            if matches!(next, ')' | ']' | '>' | '|') {
                break;
            }
            nodes.push(self.item());
        }
        Node::Sequence(nodes)
    }

    fn item(&mut self) -> Node {
        let is_counted = self.peek() == Some('#');
        if is_counted {
            self.take('#');
        }
        let atom = self.atom();
        // The star must touch its atom: `XADD k *` has a word of its own.
        let Some(repetition) = self.rest.strip_prefix('*') else {
            return atom;
        };
        if let Some(rest) = repetition.strip_prefix('@') {
            self.rest = rest;
            return Node::Again(Box::new(atom));
        }
        let end = repetition
            .find(|character: char| !character.is_ascii_digit() && character != '-')
            .unwrap_or(repetition.len());
        let (least, most) = repetition[..end].split_once('-').expect("a range such as 1-3");
        let (least, most) = (least.parse().expect("a number"), most.parse().expect("a number"));
        self.rest = &repetition[end..];
        match is_counted {
            true => Node::Counted(Box::new(atom), least, most),
            false => Node::Repeat(Box::new(atom), least, most),
        }
    }

    fn atom(&mut self) -> Node {
        match self.peek() {
            Some('(') => self.enclosed('(', ')', Self::choice),
            Some('[') => Node::Optional(Box::new(self.enclosed('[', ']', Self::choice))),
            Some('<') => self.enclosed('<', '>', |parser| match parser.sequence() {
                Node::Sequence(nodes) => Node::Shuffle(nodes),
                other => other,
            }),
            Some('"') => {
                let (text, rest) = self.rest[1..].split_once('"').expect("a closing quote");
                self.rest = rest;
                Node::Word(text.as_bytes().to_vec())
            }
            Some('{') => {
                let (name, rest) = self.rest[1..].split_once('}').expect("a closing brace");
                self.rest = rest;
                match name {
                    "^" => Node::LastKey,
                    name => Node::Pool(name.to_owned()),
                }
            }
            _ => {
                let end = self
                    .rest
                    .find(|character: char| character.is_whitespace() || "()[]<>|{}".contains(character))
                    .unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                Node::Word(word.as_bytes().to_vec())
            }
        }
    }

    fn enclosed(&mut self, open: char, close: char, inner: impl Fn(&mut Self) -> Node) -> Node {
        self.take(open);
        let node = inner(self);
        self.take(close);
        node
    }

    fn choice(&mut self) -> Node {
        let mut alternatives = vec![self.sequence()];
        while self.peek() == Some('|') {
            self.take('|');
            alternatives.push(self.sequence());
        }
        Node::Choice(alternatives)
    }
}

#[test]
fn a_form_yields_commands_of_its_shape() {
    let forms = Form::parse_all("7 ZUNION #{k}*2-2 [WEIGHTS {k}*@] <(A|B) C> ;; GET {^}\n\nXADD {k} * f");
    assert_eq!(forms.iter().map(|form| form.weight).collect::<Vec<_>>(), [7, 4]);
    let pools = Pools::with_keys(&["key"]);
    let mut random = Rng::with_seed(1);
    for _ in 0..100 {
        let commands = forms[0].generate(&mut random, &pools);
        let text: Vec<String> = commands[0]
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        assert_eq!(text[1], "2");
        assert!(
            text.len() == 6 || (text.len() == 9 && text[4] == "WEIGHTS"),
            "{text:?}"
        );
        assert!(text.contains(&"C".to_owned()));
        assert_eq!(commands[1][0], b"GET");
    }
    assert_eq!(forms[1].generate(&mut random, &pools)[0][2], b"*");
    assert_eq!(forms[0].names()[1], [b"GET".to_vec()]);
}
