//! SVG path data to polylines: the commands M L H V C S A Z, absolute and relative (SVG 1.1, section 8.3).

use egui::{Pos2, Vec2, pos2, vec2};

/// Pieces a curve is cut into; enough for icons at three times their size.
const PIECES: usize = 10;

/// Polylines of a path; a closed one ends where it starts. `None` when the text is not a path.
pub fn flatten(text: &str) -> Option<Vec<Vec<Pos2>>> {
    let mut reader = Reader { rest: text };
    let mut lines: Vec<Vec<Pos2>> = Vec::new();
    let mut at = Pos2::ZERO;
    let mut start = Pos2::ZERO;
    let mut control = None;
    let mut command = reader.command()?;
    loop {
        let base = if command.is_ascii_lowercase() { at.to_vec2() } else { Vec2::ZERO };
        let mut last_control = None;
        match command.to_ascii_uppercase() {
            'M' => {
                at = reader.point()? + base;
                start = at;
                lines.push(vec![at]);
                // Further pairs of a moveto are linetos.
                command = if command == 'M' { 'L' } else { 'l' };
            }
            'Z' => {
                lines.last_mut()?.push(start);
                at = start;
            }
            'L' => {
                at = reader.point()? + base;
                lines.last_mut()?.push(at);
            }
            'H' => {
                at.x = reader.number()? + base.x;
                lines.last_mut()?.push(at);
            }
            'V' => {
                at.y = reader.number()? + base.y;
                lines.last_mut()?.push(at);
            }
            'C' | 'S' => {
                let first = if command.eq_ignore_ascii_case(&'C') {
                    reader.point()? + base
                } else {
                    control.map_or(at, |control: Pos2| at + (at - control))
                };
                let second = reader.point()? + base;
                let end = reader.point()? + base;
                bezier(lines.last_mut()?, [at, first, second, end]);
                at = end;
                last_control = Some(second);
            }
            'A' => {
                let radii = vec2(reader.number()?, reader.number()?);
                let _rotation = reader.number()?;
                let (large, sweep) = (reader.flag()?, reader.flag()?);
                let end = reader.point()? + base;
                arc(lines.last_mut()?, at, radii, large, sweep, end);
                at = end;
            }
            _ => return None,
        }
        control = last_control;
        if let Some(next) = reader.command() {
            // After a close the next subpath starts where the last one did.
            if command.eq_ignore_ascii_case(&'Z') && !next.eq_ignore_ascii_case(&'M') {
                lines.push(vec![start]);
            }
            command = next;
        } else if reader.rest.is_empty() {
            return Some(lines);
        } else if command.eq_ignore_ascii_case(&'Z') {
            return None;
        }
    }
}

fn bezier(line: &mut Vec<Pos2>, [a, b, c, d]: [Pos2; 4]) {
    for piece in 1..=PIECES {
        let t = piece as f32 / PIECES as f32;
        let u = 1.0 - t;
        let at = a.to_vec2() * (u * u * u)
            + b.to_vec2() * (3.0 * u * u * t)
            + c.to_vec2() * (3.0 * u * t * t)
            + d.to_vec2() * (t * t * t);
        line.push(at.to_pos2());
    }
}

/// Endpoint to centre form (SVG 1.1, appendix F.6.5), without rotation.
fn arc(line: &mut Vec<Pos2>, from: Pos2, radii: Vec2, large: bool, sweep: bool, to: Pos2) {
    let half = (from - to) / 2.0;
    let (mut rx, mut ry) = (radii.x.abs(), radii.y.abs());
    let reach = (half.x / rx).powi(2) + (half.y / ry).powi(2);
    if reach > 1.0 {
        rx *= reach.sqrt();
        ry *= reach.sqrt();
    }
    let denominator = (rx * half.y).powi(2) + (ry * half.x).powi(2);
    let factor = (((rx * ry).powi(2) - denominator).max(0.0) / denominator.max(f32::EPSILON)).sqrt();
    let factor = if large == sweep { -factor } else { factor };
    let shifted = vec2(factor * rx * half.y / ry, -factor * ry * half.x / rx);
    let centre = shifted + (from.to_vec2() + to.to_vec2()) / 2.0;
    let angle = |point: Pos2| ((point.y - centre.y) / ry).atan2((point.x - centre.x) / rx);
    let (first, last) = (angle(from), angle(to));
    let mut turn = last - first;
    if sweep && turn <= 0.0 {
        turn += std::f32::consts::TAU;
    } else if !sweep && turn >= 0.0 {
        turn -= std::f32::consts::TAU;
    }
    for piece in 1..PIECES {
        let angle = first + turn * piece as f32 / PIECES as f32;
        line.push(pos2(centre.x + rx * angle.cos(), centre.y + ry * angle.sin()));
    }
    line.push(to);
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', ',', '\n', '\t']);
    }

    fn command(&mut self) -> Option<char> {
        self.skip();
        let first = self.rest.chars().next().filter(char::is_ascii_alphabetic)?;
        self.rest = &self.rest[1..];
        Some(first)
    }

    fn number(&mut self) -> Option<f32> {
        self.skip();
        let mut seen_dot = false;
        let end = self
            .rest
            .char_indices()
            .find(|(index, c)| match c {
                '-' | '+' => *index > 0,
                '.' => std::mem::replace(&mut seen_dot, true),
                c => !c.is_ascii_digit(),
            })
            .map_or(self.rest.len(), |(index, _)| index);
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        self.skip();
        let first = self.rest.chars().next().filter(|c| matches!(c, '0' | '1'))?;
        self.rest = &self.rest[1..];
        Some(first == '1')
    }

    fn point(&mut self) -> Option<Pos2> {
        Some(pos2(self.number()?, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_closes_and_joined_numbers_are_read() {
        let lines = flatten("M2 3h4v-2.5zM1.5.5l.5.5").unwrap();
        assert_eq!(lines[0], [pos2(2.0, 3.0), pos2(6.0, 3.0), pos2(6.0, 0.5), pos2(2.0, 3.0)]);
        assert_eq!(lines[1], [pos2(1.5, 0.5), pos2(2.0, 1.0)]);
    }

    #[test]
    fn an_arc_keeps_its_distance_from_the_centre() {
        let lines = flatten("M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z").unwrap();
        for point in &lines[0] {
            assert!((point.distance(pos2(8.0, 8.0)) - 6.0).abs() < 1e-3, "{point:?}");
        }
        let (left, right) = (lines[0].iter().any(|p| p.x < 3.0), lines[0].iter().any(|p| p.x > 13.0));
        assert!(left && right, "both halves are drawn");
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in ["", "Q1 1 2 2", "M1", "L1 1", "M1 1 z 4"] {
            assert_eq!(flatten(text), None, "{text}");
        }
    }
}
