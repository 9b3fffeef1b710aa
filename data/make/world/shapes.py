"""Paths in unit coordinates (y points down): ovals, boxes, smooth blobs, limbs, fur.

Shapes that are irregular take the painter first, because they draw from its random stream.
"""

import math

import skia

Point = tuple[float, float]


def ellipse(x: float, y: float, rx: float, ry: float | None = None) -> skia.Path:
    ry = rx if ry is None else ry
    path = skia.Path()
    path.addOval(skia.Rect(x - rx, y - ry, x + rx, y + ry))
    return path


def box(left: float, top: float, right: float, bottom: float, radius: float = 0) -> skia.Path:
    path = skia.Path()
    if radius:
        path.addRoundRect(skia.Rect(left, top, right, bottom), radius, radius)
    else:
        path.addRect(skia.Rect(left, top, right, bottom))
    return path


def polygon(points: list[Point]) -> skia.Path:
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return path


def _smooth(points: list[Point], closed: bool, roundness: float) -> skia.Path:
    """Cardinal spline through the points; roundness 0 gives straight segments, 1 a full curve."""
    path = skia.Path()
    path.moveTo(*points[0])
    n = len(points)
    k = roundness / 3
    for i in range(n if closed else n - 1):
        if closed:
            a, b, c, d = points[i - 1], points[i], points[(i + 1) % n], points[(i + 2) % n]
        else:
            a, b, c, d = points[max(i - 1, 0)], points[i], points[i + 1], points[min(i + 2, n - 1)]
        path.cubicTo(
            b[0] + (c[0] - a[0]) * k,
            b[1] + (c[1] - a[1]) * k,
            c[0] - (d[0] - b[0]) * k,
            c[1] - (d[1] - b[1]) * k,
            *c,
        )
    if closed:
        path.close()
    return path


def blob(points: list[Point], roundness: float = 0.9) -> skia.Path:
    """Closed smooth outline through the points."""
    return _smooth(points, True, roundness)


def arc(points: list[Point], roundness: float = 0.5) -> skia.Path:
    """Open smooth line through the points."""
    return _smooth(points, False, roundness)


def segment(x0: float, y0: float, x1: float, y1: float) -> skia.Path:
    path = skia.Path()
    path.moveTo(x0, y0)
    path.lineTo(x1, y1)
    return path


def limb(x0: float, y0: float, x1: float, y1: float, w0: float, w1: float) -> skia.Path:
    """Rounded, tapering bar from one point to another; w0 and w1 are half widths."""
    dx, dy = x1 - x0, y1 - y0
    length = math.hypot(dx, dy) + 1e-6
    ux, uy = dx / length, dy / length
    nx, ny = -uy, ux
    xm, ym, wm = (x0 + x1) / 2, (y0 + y1) / 2, (w0 + w1) / 2
    return blob(
        [
            (x0 + nx * w0, y0 + ny * w0),
            (xm + nx * wm, ym + ny * wm),
            (x1 + nx * w1, y1 + ny * w1),
            (x1 + ux * w1 * 0.8, y1 + uy * w1 * 0.8),
            (x1 - nx * w1, y1 - ny * w1),
            (xm - nx * wm, ym - ny * wm),
            (x0 - nx * w0, y0 - ny * w0),
            (x0 - ux * w0 * 0.8, y0 - uy * w0 * 0.8),
        ],
        1,
    )


def union(*paths: skia.Path) -> skia.Path:
    total = paths[0]
    for path in paths[1:]:
        total = skia.Op(total, path, skia.kUnion_PathOp)
    return total


def mirrored(points: list[Point], side: int) -> list[Point]:
    """The points as they are (side 1) or reflected in the vertical axis (side -1)."""
    return [(side * x, y) for x, y in points]


def symmetric(right: list[Point]) -> list[Point]:
    """A whole outline from its right half, top to bottom; points on the axis stay single."""
    left = [(-x, y) for x, y in reversed(right) if abs(x) > 1e-9]
    return right + left


def furry(
    painter, x: float, y: float, rx: float, ry: float, amplitude: float = 0.06, tufts: int = 30
) -> skia.Path:
    """Oval with a zigzag outline."""
    points = []
    for i in range(2 * tufts):
        angle = i * math.pi / tufts
        reach = 1 + (amplitude if i % 2 else -amplitude * 0.3) * painter.between(0.5, 1.3)
        points.append((x + rx * reach * math.cos(angle), y + ry * reach * math.sin(angle)))
    return polygon(points)


def bumpy(
    painter, x: float, y: float, rx: float, ry: float, amplitude: float = 0.08, bumps: int = 12
) -> skia.Path:
    """Oval with a smooth irregular outline: stones, patches, spots."""
    points = []
    for i in range(bumps):
        angle = i * 2 * math.pi / bumps
        reach = 1 + painter.between(-amplitude, amplitude)
        points.append((x + rx * reach * math.cos(angle), y + ry * reach * math.sin(angle)))
    return blob(points)


def cluster(painter, x: float, y: float, rx: float, ry: float, ball: float, n: int) -> skia.Path:
    """Oval rimmed by n balls: curls, foliage."""
    path = ellipse(x, y, rx * 0.85, ry * 0.85)
    for i in range(n):
        angle = i * 2 * math.pi / n + painter.between(-0.1, 0.1)
        radius = ball * painter.between(0.85, 1.15)
        centre = x + rx * 0.8 * math.cos(angle), y + ry * 0.8 * math.sin(angle)
        path = union(path, ellipse(*centre, radius))
    return path
