"""TeX to MathML: what is drawn, what is kept for readers and copying, what is refused."""

import pytest
from offline_site import tex_to_mathml


def test_structure_and_source():
    markup = tex_to_mathml(r"\frac{a_i}{b} < 1", display=False)
    assert "<mfrac>" in markup and "<msub>" in markup
    assert 'display="inline"' in markup
    assert r'alttext="\frac{a_i}{b} &lt; 1"' in markup


def test_several_lines_are_aligned():
    for tex in (
        "a = b\n\nc = d",
        r"a &= b \\ c &= d",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
    ):
        markup = tex_to_mathml(tex, display=True)
        assert "<mtable" in markup and markup.count("<mtr") == 2


@pytest.mark.parametrize("tex", [r"\frac{a", r"\nosuchcommand{x}"])
def test_what_cannot_be_converted_is_refused(tex):
    with pytest.raises(ValueError, match="cannot convert"):
        tex_to_mathml(tex, display=True)
