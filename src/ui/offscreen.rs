//! Draws the window, or one view, to a picture without a display and without a GPU.
//!
//! egui runs headless; its triangles are filled by a small rasteriser of our own: bilinear textures, vertex colours, and
//! premultiplied blending in gamma space, as `egui_glow` does it. The same input gives the same bytes on every machine, so
//! pictures serve as snapshots in tests.

use super::theme;
use egui::epaint::{ImageData, ImageDelta, Mesh, Primitive, Vertex};
use egui::{Color32, ColorImage, Context, Event, Pos2, RawInput, Rect, TextureId, Ui, Vec2, pos2};
use std::collections::HashMap;
use std::io::BufWriter;
use std::path::Path;

/// A context that draws into memory.
pub struct Offscreen {
    /// The context, for `ctx.memory` and the like.
    pub ctx: Context,
    size: Vec2,
    pixels_per_point: f32,
    time: f64,
    textures: HashMap<TextureId, ColorImage>,
    meshes: Vec<(Rect, Mesh)>,
}

/// A picture: straight RGBA, opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Rows from the top, premultiplied alpha.
    pub pixels: Vec<Color32>,
}

impl Offscreen {
    /// Of this size in points, in one theme.
    pub fn new(size: Vec2, dark: bool) -> Self {
        let ctx = Context::default();
        theme::install(&ctx);
        ctx.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
        Self { ctx, size, pixels_per_point: 1.0, time: 0.0, textures: HashMap::new(), meshes: Vec::new() }
    }

    /// Physical pixels to a point.
    pub fn scale(mut self, pixels_per_point: f32) -> Self {
        self.pixels_per_point = pixels_per_point;
        self
    }

    /// Runs one frame with these events, a thirtieth of a second after the last; how soon the next one is wanted.
    pub fn frame(&mut self, events: Vec<Event>, mut draw: impl FnMut(&mut Ui)) -> std::time::Duration {
        self.time += 1.0 / 30.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, self.size)),
            time: Some(self.time),
            focused: true,
            events,
            ..RawInput::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&egui::ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(self.pixels_per_point);
        }
        let mut output = self.ctx.run_ui(input, |ui| draw(ui));
        let deltas = std::mem::take(&mut output.textures_delta.set);
        for (id, deltas) in deltas {
            for delta in deltas {
                self.upload(id, &delta);
            }
        }
        output.textures_delta.clear();
        let shapes = std::mem::take(&mut output.shapes);
        self.meshes = self
            .ctx
            .tessellate(shapes, output.pixels_per_point)
            .into_iter()
            .filter_map(|clipped| match clipped.primitive {
                Primitive::Mesh(mesh) => Some((clipped.clip_rect, mesh)),
                Primitive::Callback(_) => None,
            })
            .collect();
        output.viewport_output.get(&egui::ViewportId::ROOT).map_or(std::time::Duration::MAX, |root| root.repaint_delay)
    }

    /// Runs frames until nothing asks for another at once (at most `most`), then draws.
    pub fn settle(&mut self, most: usize, mut draw: impl FnMut(&mut Ui)) -> Picture {
        for _ in 0..most.max(1) {
            if !self.frame(Vec::new(), &mut draw).is_zero() {
                break;
            }
        }
        self.picture()
    }

    /// Fills the triangles of the last frame.
    pub fn picture(&self) -> Picture {
        let scale = self.pixels_per_point;
        let (width, height) = ((self.size.x * scale).round() as usize, (self.size.y * scale).round() as usize);
        let mut picture = Picture { width, height, pixels: vec![Color32::BLACK; width * height] };
        for (clip, mesh) in &self.meshes {
            let Some(texture) = self.textures.get(&mesh.texture_id) else { continue };
            let clip = Clip::of(*clip, scale, width, height);
            for corners in mesh.indices.chunks_exact(3) {
                let corner = |index: usize| mesh.vertices.get(corners[index] as usize).copied();
                if let (Some(a), Some(b), Some(c)) = (corner(0), corner(1), corner(2)) {
                    fill(&mut picture, &clip, texture, scale, [a, b, c]);
                }
            }
        }
        picture
    }

    fn upload(&mut self, id: TextureId, delta: &ImageDelta) {
        let ImageData::Color(image) = &delta.image;
        let Some([left, top]) = delta.pos else {
            self.textures.insert(id, image.as_ref().clone());
            return;
        };
        let Some(texture) = self.textures.get_mut(&id) else { return };
        for (row, pixels) in image.pixels.chunks_exact(image.size[0].max(1)).enumerate() {
            let start = (top + row) * texture.size[0] + left;
            if let Some(target) = texture.pixels.get_mut(start..start + pixels.len()) {
                target.copy_from_slice(pixels);
            }
        }
    }
}

/// Pixels that may be written.
struct Clip {
    left: i64,
    top: i64,
    right: i64,
    bottom: i64,
}

impl Clip {
    fn of(rect: Rect, scale: f32, width: usize, height: usize) -> Self {
        let edge = |v: f32, most: usize| (f64::from(v * scale).round() as i64).clamp(0, most as i64);
        Self {
            left: edge(rect.left(), width),
            top: edge(rect.top(), height),
            right: edge(rect.right(), width),
            bottom: edge(rect.bottom(), height),
        }
    }
}

/// Twice the signed area of the triangle `a b p`; positive when `p` lies right of the way from `a` to `b` (y down).
fn edge(a: Pos2, b: Pos2, p: Pos2) -> f32 {
    (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
}

/// Top and left edges own the pixels that lie exactly on them, so that neighbours blend each pixel once.
fn owns(a: Pos2, b: Pos2) -> bool {
    (a.y == b.y && b.x > a.x) || b.y < a.y
}

fn fill(picture: &mut Picture, clip: &Clip, texture: &ColorImage, scale: f32, mut corners: [Vertex; 3]) {
    let at = |vertex: &Vertex| (vertex.pos.to_vec2() * scale).to_pos2();
    let mut area = edge(at(&corners[0]), at(&corners[1]), at(&corners[2]));
    if area < 0.0 {
        corners.swap(1, 2);
        area = -area;
    }
    if area <= 0.0 || !area.is_finite() {
        return;
    }
    let [a, b, c] = [at(&corners[0]), at(&corners[1]), at(&corners[2])];
    let least = |x: f32, y: f32, z: f32| x.min(y).min(z).floor() as i64;
    let most = |x: f32, y: f32, z: f32| x.max(y).max(z).ceil() as i64;
    let (left, right) = (least(a.x, b.x, c.x).max(clip.left), most(a.x, b.x, c.x).min(clip.right));
    let (top, bottom) = (least(a.y, b.y, c.y).max(clip.top), most(a.y, b.y, c.y).min(clip.bottom));
    if left >= right {
        return;
    }
    let own = [owns(b, c), owns(c, a), owns(a, b)];
    let sides = [(b, c), (c, a), (a, b)];
    let flat = corners[0].color == corners[1].color
        && corners[1].color == corners[2].color
        && corners[0].uv == corners[1].uv
        && corners[1].uv == corners[2].uv;
    let one = if flat { shade(texture, &corners, [1.0, 0.0, 0.0]) } else { [0.0; 4] };
    for y in top..bottom {
        let weights = |x: i64| {
            let p = pos2(x as f32 + 0.5, y as f32 + 0.5);
            sides.map(|(from, to)| edge(from, to, p))
        };
        let inside = |x: i64| weights(x).iter().zip(own).all(|(weight, own)| *weight > 0.0 || (*weight == 0.0 && own));
        let Some((first, last)) = span(&sides, y, left, right, inside) else { continue };
        let row = y as usize * picture.width;
        let pixels = &mut picture.pixels[row + first as usize..row + last as usize];
        if flat && one[3] >= 254.5 {
            let [r, g, b, _] = one.map(|part| part.round() as u8);
            pixels.fill(Color32::from_rgba_premultiplied(r, g, b, 255));
        } else if flat {
            pixels.iter_mut().for_each(|pixel| blend(pixel, one));
        } else {
            for (x, pixel) in (first..last).zip(pixels) {
                blend(pixel, shade(texture, &corners, weights(x).map(|weight| weight / area)));
            }
        }
    }
}

/// Pixels of a row that lie inside all three sides, as a half-open range: solved, then settled at both ends.
fn span(sides: &[(Pos2, Pos2); 3], y: i64, left: i64, right: i64, inside: impl Fn(i64) -> bool) -> Option<(i64, i64)> {
    let (mut first, mut last) = (left as f32, right as f32);
    for (from, to) in sides {
        let at_zero = edge(*from, *to, pos2(0.5, y as f32 + 0.5));
        let step = from.y - to.y;
        if step > 0.0 {
            first = first.max(-at_zero / step);
        } else if step < 0.0 {
            last = last.min(at_zero / -step + 1.0);
        }
    }
    let mut first = (first.floor() as i64 - 1).clamp(left, right);
    let mut last = (last.ceil() as i64 + 1).clamp(left, right);
    while first < last && !inside(first) {
        first += 1;
    }
    while last > first && !inside(last - 1) {
        last -= 1;
    }
    (first < last).then_some((first, last))
}

/// Vertex colour times texture at this point of the triangle, premultiplied, 0 to 255.
fn shade(texture: &ColorImage, corners: &[Vertex; 3], weights: [f32; 3]) -> [f32; 4] {
    let mut colour = [0.0; 4];
    let mut uv = Vec2::ZERO;
    for (vertex, weight) in corners.iter().zip(weights) {
        for (sum, part) in colour.iter_mut().zip(vertex.color.to_array()) {
            *sum += f32::from(part) * weight;
        }
        uv += vertex.uv.to_vec2() * weight;
    }
    let texel = sample(texture, uv);
    std::array::from_fn(|index| colour[index] * texel[index] / 255.0)
}

/// Bilinear, clamped to the edge.
fn sample(texture: &ColorImage, uv: Vec2) -> [f32; 4] {
    let [width, height] = texture.size;
    let (x, y) = (uv.x * width as f32 - 0.5, uv.y * height as f32 - 0.5);
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let texel = |dx: f32, dy: f32| {
        let column = (x0 + dx).clamp(0.0, width.saturating_sub(1) as f32) as usize;
        let row = (y0 + dy).clamp(0.0, height.saturating_sub(1) as f32) as usize;
        texture.pixels.get(row * width + column).copied().unwrap_or_default().to_array().map(f32::from)
    };
    let (a, b, c, d) = (texel(0.0, 0.0), texel(1.0, 0.0), texel(0.0, 1.0), texel(1.0, 1.0));
    std::array::from_fn(|index| {
        let above = a[index] + (b[index] - a[index]) * fx;
        let below = c[index] + (d[index] - c[index]) * fx;
        above + (below - above) * fy
    })
}

fn blend(target: &mut Color32, source: [f32; 4]) {
    let rest = 1.0 - source[3] / 255.0;
    let under = target.to_array();
    let mixed: [u8; 4] =
        std::array::from_fn(|index| (source[index] + f32::from(under[index]) * rest).round().clamp(0.0, 255.0) as u8);
    *target = Color32::from_rgba_premultiplied(mixed[0], mixed[1], mixed[2], mixed[3]);
}

impl Picture {
    /// The pixel at a place.
    pub fn at(&self, x: usize, y: usize) -> Color32 {
        self.pixels.get(y * self.width + x).copied().unwrap_or_default()
    }

    /// Writes a PNG.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
        let mut writer = encoder.write_header().map_err(std::io::Error::other)?;
        writer.write_image_data(&bytes).map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Theme;

    #[test]
    fn rectangles_land_on_their_pixels_and_blend_once() {
        let mut screen = Offscreen::new(egui::vec2(40.0, 20.0), true);
        let theme = Theme::dark();
        let picture = screen.settle(4, |ui| {
            let painter = ui.painter();
            painter.rect_filled(Rect::from_min_max(pos2(0.0, 0.0), pos2(40.0, 20.0)), 0.0, theme.surface);
            let mut mesh = Mesh::default();
            mesh.add_colored_rect(Rect::from_min_max(pos2(10.0, 5.0), pos2(20.0, 15.0)), theme.scrim);
            painter.add(mesh);
        });
        assert_eq!(picture.at(2, 2), theme.surface);
        assert_eq!(picture.at(9, 10), theme.surface);
        let (first, middle, last) = (picture.at(10, 5), picture.at(15, 10), picture.at(19, 14));
        assert_eq!(first, middle, "the diagonal of the two triangles is blended once");
        assert_eq!(first, last);
        assert_ne!(first, theme.surface);
        assert_eq!(picture.at(20, 10), theme.surface);
    }

    #[test]
    fn text_leaves_ink_inside_its_box_only() {
        let mut screen = Offscreen::new(egui::vec2(120.0, 40.0), false);
        let theme = Theme::light();
        let picture = screen.settle(4, |ui| {
            let painter = ui.painter();
            painter.rect_filled(ui.max_rect().expand(20.0), 0.0, theme.surface);
            painter.text(pos2(10.0, 10.0), egui::Align2::LEFT_TOP, "Waiting", theme::Face::Title.font(), theme.text_strong);
        });
        let ink = |x0: usize, x1: usize, y0: usize, y1: usize| {
            (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))).filter(|(x, y)| picture.at(*x, *y) != theme.surface).count()
        };
        assert!(ink(10, 80, 8, 34) > 100);
        assert_eq!(ink(0, 9, 0, 40) + ink(90, 120, 0, 40), 0);
        assert_eq!(screen.settle(1, |_| {}).pixels.len(), 120 * 40);
    }
}
