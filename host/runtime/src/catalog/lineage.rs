//! The picture of what flows where: streams and pipelines in columns, from left to right, as SVG.

use super::Catalog;
use super::html::{escape, segment};
use std::collections::BTreeMap;

const ROW: usize = 44;
const BOX_HEIGHT: usize = 30;
const GAP: usize = 70;
const MARGIN: usize = 12;
/// How wide a letter is at the size of the boxes' text, at most.
const LETTER: f64 = 7.4;
/// Longer names are cut in the picture; the page of the stream has them whole.
const LETTERS_MAX: usize = 42;

/// A stream or a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Stream(String),
    Pipeline(String),
}

impl Node {
    fn name(&self) -> &str {
        match self {
            Self::Stream(name) | Self::Pipeline(name) => name,
        }
    }

    fn label(&self) -> String {
        let name = self.name();
        if name.chars().count() <= LETTERS_MAX {
            return name.to_owned();
        }
        name.chars().take(LETTERS_MAX - 1).chain(['…']).collect()
    }
}

/// Where a node is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    x: usize,
    y: usize,
    width: usize,
}

/// Draws the streams that pipelines use. None: there is no pipeline.
pub(super) fn svg(catalog: &Catalog) -> Option<String> {
    let edges = edges(catalog);
    if edges.is_empty() {
        return None;
    }
    let columns = columns(&edges);
    let (spots, width, height) = place(&columns);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Which pipelines read and write which streams\">\n"
    );
    for (from, to) in &edges {
        if let (Some(from), Some(to)) = (spots.get(from), spots.get(to)) {
            svg.push_str(&line(*from, *to));
        }
    }
    for (node, spot) in &spots {
        svg.push_str(&picture(node, *spot));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// What flows from where to where.
fn edges(catalog: &Catalog) -> Vec<(Node, Node)> {
    let mut edges = Vec::new();
    for pipeline in &catalog.pipelines {
        let own = Node::Pipeline(pipeline.name.clone());
        edges.extend(pipeline.inputs.values().map(|stream| (Node::Stream(stream.clone()), own.clone())));
        let written = pipeline.outputs.values().chain([&pipeline.errors]);
        edges.extend(written.map(|stream| (own.clone(), Node::Stream(stream.clone()))));
    }
    edges.sort();
    edges.dedup();
    edges
}

/// Each node stands right of everything that flows into it. A circle, which no host runs, ends after as many rounds as there
/// are nodes.
fn columns(edges: &[(Node, Node)]) -> Vec<Vec<Node>> {
    let mut column: BTreeMap<&Node, usize> = edges.iter().flat_map(|(from, to)| [(from, 0), (to, 0)]).collect();
    for _ in 0..column.len() {
        let mut moved = false;
        for (from, to) in edges {
            let wanted = column.get(from).map_or(0, |column| column + 1);
            if let Some(own) = column.get_mut(to).filter(|own| **own < wanted) {
                *own = wanted;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut columns: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
    for (node, column) in column {
        columns.entry(column).or_default().push(node.clone());
    }
    columns.into_values().collect()
}

/// Every node's place, and the size of the whole.
fn place(columns: &[Vec<Node>]) -> (BTreeMap<Node, Spot>, usize, usize) {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut spots = BTreeMap::new();
    let mut x = MARGIN;
    for column in columns {
        let letters = column.iter().map(|node| node.label().chars().count()).max().unwrap_or(0);
        let width = (letters as f64 * LETTER).ceil() as usize + 24;
        let above = (rows - column.len()) * ROW / 2;
        for (row, node) in column.iter().enumerate() {
            spots.insert(node.clone(), Spot { x, y: MARGIN + above + row * ROW, width });
        }
        x += width + GAP;
    }
    (spots, x.saturating_sub(GAP) + MARGIN, rows * ROW + 2 * MARGIN)
}

/// A curve from the right side of one node to the left side of another.
fn line(from: Spot, to: Spot) -> String {
    let (x1, y1) = (from.x + from.width, from.y + BOX_HEIGHT / 2);
    let (x2, y2) = (to.x, to.y + BOX_HEIGHT / 2);
    let bend = GAP / 2;
    format!("<path class=\"flow\" d=\"M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}\"/>\n", x1 + bend, x2.saturating_sub(bend))
}

fn picture(node: &Node, spot: Spot) -> String {
    let Spot { x, y, width } = spot;
    let (label, title) = (escape(&node.label()), escape(node.name()));
    let (class, round) = match node {
        Node::Stream(_) => ("stream", BOX_HEIGHT / 2),
        Node::Pipeline(_) => ("pipeline", 4),
    };
    let shape = format!(
        "<g class=\"{class}\"><title>{title}</title>\
         <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"{round}\"/>\
         <text x=\"{}\" y=\"{}\">{label}</text></g>",
        x + width / 2,
        y + BOX_HEIGHT / 2 + 4
    );
    match node {
        Node::Stream(name) => format!("<a href=\"/stream/{}\">{shape}</a>\n", segment(name)),
        Node::Pipeline(name) => format!("<a href=\"/#pipeline-{}\">{shape}</a>\n", segment(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str) -> (Node, Node) {
        (Node::Stream(from.into()), Node::Stream(to.into()))
    }

    #[track_caller]
    fn check(edges: &[(Node, Node)], expected: &[&[&str]]) {
        let columns = columns(edges);
        let names: Vec<Vec<&str>> = columns.iter().map(|column| column.iter().map(Node::name).collect()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn what_comes_later_stands_further_right() {
        check(&[edge("a", "b"), edge("b", "c"), edge("a", "c")], &[&["a"], &["b"], &["c"]]);
        check(&[edge("a", "c"), edge("b", "c")], &[&["a", "b"], &["c"]]);
    }

    #[test]
    fn a_circle_ends() {
        let columns = columns(&[edge("a", "b"), edge("b", "a")]);
        assert_eq!(columns.iter().map(Vec::len).sum::<usize>(), 2);
    }

    #[test]
    fn nothing_lies_upon_anything_else() {
        let edges: Vec<_> = (0..5).map(|at| edge("source", &format!("stream-{at}"))).collect();
        let (spots, width, height) = place(&columns(&edges));
        let spots: Vec<Spot> = spots.into_values().collect();
        for (at, one) in spots.iter().enumerate() {
            assert!(one.x + one.width <= width && one.y + BOX_HEIGHT <= height);
            let apart = |other: &Spot| {
                one.x + one.width <= other.x || other.x + other.width <= one.x || one.y.abs_diff(other.y) >= BOX_HEIGHT
            };
            assert!(spots.iter().skip(at + 1).all(apart));
        }
    }
}
