"""The interactive figure: what travels, what Python and the page say to each other, and the page in a real browser.

The browser is Debian's Chromium with its network cut; its tests are skipped, with the reason, where there is none.
"""

import base64
import copy
import json
import re

import numpy as np
import pandas as pd
import pytest
from browser import Browser

import vaescan_lite as vl
from vaescan_lite.training import Budget
from vaescan_lite.web.explorer import Explorer

STATUS = "document.querySelector('[role=status]').textContent"
PLAY = "document.querySelector('.latent button')"
UNDO = "document.querySelector('.vaescan-explorer .tools button').getAttribute('aria-disabled')"
OPEN_ALL = "document.querySelectorAll('details').forEach(d => { d.open = true; })"
CONTROLS = "[...document.querySelectorAll('.vaescan-explorer :is(input, select, button, summary)')].filter(e => e.offsetHeight)"
FRAMES = """new Promise(done => { const seen = []; const look = () => {
  seen.push(document.querySelector('path.beat').getAttribute('d'));
  if (seen.length < 20) setTimeout(look, 40); else done(seen); }; look(); })"""
ASSIGNMENTS = (
    {},
    {"LBBB": 1},
    {"LBBB": 0, "LVH": 1},
    {"sex_female": 0, "age_years": 70},
    {"sex_female": 1, "age_years": 31, "LBBB": 1, "LVH": 0},
)


def fitted(n=300, seed=0):
    """A small VAE and Scan on simulated beats, bent far enough that every path of the decoder counts."""
    rng = np.random.default_rng(seed)
    sex, block = rng.integers(0, 2, n), rng.random(n) < 0.3
    hypertrophy = rng.random(n) < 0.2 + 0.4 * block  # factors go together, so that observe and average differ
    people = pd.DataFrame({"sex_female": sex, "age_years": rng.integers(25, 65, n) + 20 * block})
    people = people.assign(LBBB=block.astype(int), LVH=hypertrophy.astype(int))
    beats = vl.median_beats(vl.simulate(people, seed=seed, duration_s=10))
    budget = Budget(epochs=12, batch_size=64, learning_rate=5e-3)
    vae = vl.BeatVAE(n_latents=10, seed=seed, budget=budget, progress=False).fit(beats)
    people.loc[:20, "LVH"] = np.nan
    return vae, vl.Scan(vae, list(people.columns), seed=seed).fit(beats, people, progress=False), beats


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture
def explorer(model):
    vae, scan, _ = model
    return Explorer(vae, scan)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


def page_of(explorer, path, script=""):
    """A page as bare as can be, with the figure and, for tests, a script of its own."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    path.write_text(f"<!doctype html><html><head>{head}</head><body>{explorer.html()}{script}</body></html>", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """A page with an untouched figure, written once; opening it again starts anew."""
    return page_of(Explorer(*model[:2]), tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def functions_page(model, tmp_path_factory):
    """A page that offers the functions of the scripts and the state of an Explorer as ``api``."""
    explorer = Explorer(*model[:2], beats=model[2][:4])
    path = tmp_path_factory.mktemp("page") / "functions.html"
    names = "decode, encode, change, combine, contributions, readouts, shownBeat, unpack, erf"
    state = json.dumps(explorer._network)
    path.write_text(
        f'<meta charset="utf-8"><script type="module">{explorer._esm}\n'
        f"window.api = {{ {names}, network: readable({state}) }};</script>"
    )
    return path


@pytest.fixture
def functions(browser, functions_page):
    return browser.open(functions_page)


def call(page, expression, *arguments):
    return page.run(f"((...a) => {expression})({', '.join(json.dumps(argument) for argument in arguments)})")


# ---- in Python


def test_weights_travel_as_little_endian_float16_and_once(explorer):
    decoder = explorer.vae.network_.decoder
    state = explorer._network
    halves = np.frombuffer(base64.b64decode(state["half_floats"]), dtype="<f2").astype(np.float32)
    assert state["parts"][0] == ["hidden", 192, 10]
    np.testing.assert_allclose(halves[:1920].reshape(192, 10), decoder.hidden.weight.detach(), rtol=1e-3, atol=1e-6)
    assert len(halves) == sum(rows * columns for _, rows, columns in state["parts"])
    assert len(halves) == sum(p.numel() for p in decoder.parameters())
    assert explorer.html(b"").count(state["half_floats"]) == 1
    assert len(state["half_floats"]) <= 400 * 1024


def test_a_vae_of_the_book_fits_into_400_kb_and_a_larger_one_is_refused(model):
    beats = model[2]
    least = Budget(epochs=1)
    vae = vl.BeatVAE(n_latents=24, budget=least, progress=False).fit(beats)
    assert 300 < len(Explorer(vae)._network["half_floats"]) / 1024 <= 400
    large = vl.BeatVAE(n_latents=24, n_hidden=1200, budget=least, progress=False).fit(beats)
    with pytest.raises(ValueError, match=r"take \d+ KB in the page, more than 400 KB; train a BeatVAE with a smaller"):
        Explorer(large)


def test_factors_set_in_python_move_the_latents(model, explorer):
    _, scan, _ = model
    np.testing.assert_allclose(explorer.z, scan.factors_to_latents({})[0], atol=1e-6)
    explorer.factors = {"LBBB": 1, "LVH": None}
    assert explorer.factors == {"LBBB": 1}
    np.testing.assert_allclose(explorer.z, scan.factors_to_latents({"LBBB": 1})[0], atol=1e-6)
    explorer.unspecified = "average"
    np.testing.assert_allclose(explorer.z, scan.factors_to_latents({"LBBB": 1}, unspecified="average")[0], atol=1e-6)


def test_latents_can_be_set_to_those_of_an_ecg(model, explorer):
    vae, _, beats = model
    explorer.z = vae.transform(beats[[3]])[0]
    np.testing.assert_allclose(explorer.beat.signals, vae.reconstruct(beats[[3]]), atol=1e-5)
    assert explorer.beat.r_index == beats.r_index and explorer.beat.fs == beats.fs


def test_what_the_page_sends_arrives(explorer):
    explorer.set_state({"z": [0.5] * 10})
    assert isinstance(explorer.z, np.ndarray) and explorer.z.tolist() == [0.5] * 10
    explorer.set_state({"factors": {"LVH": 1}, "z": explorer.scan.factors_to_latents({"LVH": 1})[0].tolist()})
    np.testing.assert_allclose(explorer.z, explorer.scan.factors_to_latents({"LVH": 1})[0], atol=1e-6)


def test_wrong_latents_and_factors_are_refused_and_leave_everything_as_it_was(model, explorer):
    before = explorer.z.copy()
    with pytest.raises(ValueError, match=r"z must hold 10 finite numbers; got shape \(3,\)"):
        explorer.z = np.zeros(3)
    with pytest.raises(ValueError, match="z must hold 10 finite numbers"):
        explorer.z = np.full(10, np.nan)
    with pytest.raises(ValueError, match=r"unknown factor\(s\) 'RBBB'; known are"):
        explorer.factors = {"RBBB": 1}
    with pytest.raises(ValueError, match="factors need a Scan"):
        Explorer(model[0]).factors = {"LBBB": 1}
    assert explorer.factors == {} and (explorer.z == before).all()


def test_a_scan_of_another_vae_is_refused_and_a_loaded_copy_is_not(model, tmp_path):
    vae, scan, beats = model
    other = vl.BeatVAE(n_latents=10, seed=1, budget=Budget(epochs=1), progress=False).fit(beats)
    with pytest.raises(ValueError, match="another VAE"):
        Explorer(other, scan)
    scan.save(tmp_path / "scan")
    assert Explorer(vae, vl.Scan.load(tmp_path / "scan")).scan is not scan


def test_the_bundle_has_widget_html_and_a_picture_with_alt_text(explorer):
    explorer.factors = {"LBBB": 1}
    data, metadata = explorer._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "image/png", "text/plain"} <= set(data)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == "Twelve-lead median beat given LBBB = 1, decoded from 10 latents."
    assert f'alt="{metadata["image/png"]["alt"]}"' in data["text/html"]
    assert data["text/plain"] == "Explorer(10 latents, factors={'LBBB': 1})"


def test_drawing_the_picture_leaves_matplotlib_as_it_was(explorer):
    import matplotlib.pyplot as plt

    with plt.ion():
        open_before = plt.get_fignums()
        explorer.picture()
        assert plt.isinteractive() and plt.get_fignums() == open_before


def test_two_figures_on_a_page_do_not_share_an_id_and_names_cannot_end_the_script(explorer):
    ids = [re.search(r'<div id="([^"]+)"', explorer.html(b""))[1] for _ in range(2)]
    assert ids[0] != ids[1]
    explorer._network = {**explorer._network, "leads": ["</script><b>"]}
    assert explorer.html(b"").count("</script>") == 1


def test_the_script_needs_no_other_file():
    text = Explorer._esm
    assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "export default { render };" in text and "</script" not in text


# ---- in the browser


def test_the_decoder_agrees_with_pytorch_within_5_microvolts(model, functions):
    vae = model[0]
    z = np.random.default_rng(4).normal(size=(201, vae.n_latents)) * np.repeat([0.3, 1, 3], 67)[:, None]
    decoded = call(functions, "a[0].map(z => api.decode(api.network, z).map(lead => [...lead]))", z.tolist())
    expected = vae.inverse_transform(z)
    stretch = vae.network_.decoder.stretch.weight.detach().abs().max()
    assert np.ptp(expected) > 1 and stretch > 0.01, "the beats must be large and stretched for this to mean anything"
    assert 1000 * np.abs(np.array(decoded) - expected).max() < 5
    # Against PyTorch with the same rounded weights nothing but arithmetic is left: another GELU would be noticed.
    rounded = copy.deepcopy(vae)
    rounded.network_.decoder.half().float()
    assert 1000 * np.abs(np.array(decoded) - rounded.inverse_transform(z)).max() < 0.05


def test_the_activation_is_the_exact_one(functions):
    from scipy.special import erf

    x = np.linspace(-7, 7, 141)
    np.testing.assert_allclose(call(functions, "a[0].map(api.erf)", x.tolist()), erf(x), atol=1e-14)


def test_wrong_lengths_of_the_weights_are_noticed(functions):
    with pytest.raises(RuntimeError, match="decoder weights have 4 bytes, 2 were expected"):
        call(functions, "api.unpack(btoa('abcd'), [['hidden', 1, 1]])")


@pytest.mark.parametrize("unspecified", ["observe", "average"])
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_factor_switches_agree_with_the_scan(model, functions, assignment, unspecified):
    mu, logvar = model[1].factors_to_latents(assignment, unspecified=unspecified)
    found = call(functions, "api.encode(api.network.scan, a[0], a[1])", assignment, unspecified)
    np.testing.assert_allclose(found["mu"], mu, atol=2e-6)
    np.testing.assert_allclose(found["variance"], np.exp(logvar), rtol=1e-5)


def test_observe_and_average_differ_for_these_factors(model):
    one, other = (model[1].factors_to_latents({"LBBB": 1}, unspecified=kind)[0] for kind in ("observe", "average"))
    assert np.abs(one - other).max() > 1e-3


def test_contributions_are_those_of_explain(model, functions):
    vae, scan, beats = model
    some = beats[[5]]
    for j, name in enumerate(scan.factors):
        parts = vl.explain.contributions(scan, some, name).iloc[0]
        found = call(functions, "api.contributions(api.network, a[0], a[1])", vae.transform(some)[0].astype(float).tolist(), j)
        np.testing.assert_allclose([*found["parts"], found["baseline"]], parts, atol=1e-5)
        assert found["total"] == pytest.approx(scan.logits(some)[name].iloc[0], abs=1e-5)


def lines(page):
    return page.run("[...document.querySelectorAll('path.beat')].map(path => path.getAttribute('d'))")


def expected_line(beats, lead):
    """Heights in millimetres of a lead's line below its zero, as the page draws them."""
    return -10 * vl.to_twelve_leads(beats).signals[0, vl.ecg.LEADS_12.index(lead)]


def heights(page):
    """Heights of all leads as numbers, (12, n_times): what came back by another sum may differ in the last digit."""
    return np.array([[float(y) for y in re.findall(r"[ML]\S+ (\S+?)(?=L|$)", d)] for d in lines(page)])


def drawn_line(page, lead, kind="beat"):
    d = page.run(f"document.querySelector('path.{kind}[data-lead={lead}]').getAttribute('d')")
    return [float(y) for y in re.findall(r"[ML]\S+ (\S+?)(?=L|$)", d)]


def test_a_drag_of_a_slider_redraws_the_ecg(model, explorer, browser, written):
    vae, scan, _ = model
    page = browser.open(written)
    page.width(900)
    before, latent = lines(page), int(vae.active_latents_[0])
    assert len(before) == 12
    page.drag(f"input[data-latent='{latent}']", 0.8)
    assert all(one != other for one, other in zip(before, lines(page)))
    moved = float(page.run(f"document.querySelector(\"input[data-latent='{latent}']\").value"))
    assert moved > 1
    z = explorer.z.copy()
    z[latent] = scan.aggregated_mean_[latent] + moved * scan.aggregated_sd_[latent]
    expected = expected_line(vl.BeatSet(vae.inverse_transform(z[None]), explorer.beat.fs), "V5")
    np.testing.assert_allclose(drawn_line(page, "V5"), expected, atol=0.06)  # 5 uV is 0.05 mm
    assert "by hand" in page.run("document.querySelector('[role=status]').textContent")
    assert not page.requests and not page.complaints


def test_a_drag_repaints_the_figure_and_not_the_page(explorer, browser, written):
    page = browser.open(written)
    page.width(900, 500)

    def times_painted():
        """How often each layer was painted so far, by its height."""
        page.run("new Promise(done => setTimeout(done, 500))")
        told = [event["params"].get("layers") for event in page.events if event["method"] == "LayerTree.layerTreeDidChange"]
        return {layer["height"]: layer["paintCount"] for layer in next(filter(None, reversed(told))) if layer["drawsContent"]}

    page.send("LayerTree.enable")
    slider = f"input[data-latent='{explorer.vae.active_latents_[0]}']"
    page.drag(slider, 0.8)  # brings it into the middle of the window
    before = times_painted()
    page.drag(slider, 0.3)
    painted = {height for height, times in times_painted().items() if times > before.get(height, 0)}
    page.send("LayerTree.disable")
    assert len(painted) >= 2 and page.run("document.documentElement.scrollHeight") in before.keys() - painted


def test_keys_alone_move_sliders_and_switches(model, explorer, browser, written):
    vae, scan, _ = model
    page = browser.open(written)
    before, latent = lines(page), int(vae.active_latents_[0])
    page.run("document.querySelector('input[data-latent]').focus()")
    page.key("ArrowRight", 39)
    assert lines(page) != before
    place = float(page.run("document.querySelector('input[data-latent]').value"))
    by_hand = scan.aggregated_mean_[latent] + place * scan.aggregated_sd_[latent] - explorer.z[latent]
    page.run("document.querySelector('input[aria-label=\"Left bundle branch block: unknown\"]').focus()")
    page.key("ArrowRight", 39)
    page.key("ArrowRight", 39)
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Left bundle branch block: yes"
    mu = scan.factors_to_latents({"LBBB": 1})[0]
    mu[latent] += by_hand  # the switch did not discard it
    np.testing.assert_allclose(drawn_line(page, "V1"), expected_line(scan.latents_to_ecg(mu[None]), "V1"), atol=0.06)
    assert "Left bundle branch block yes" in page.run(STATUS)


def test_a_switch_shows_the_probabilities_of_the_scan(model, browser, written):
    _, scan, _ = model
    page = browser.open(written)
    page.run("document.querySelector('input[aria-label=\"Left bundle branch block: yes\"]').click()")
    row = "document.querySelector('[role=group][aria-label=\"Left bundle branch block\"] output').textContent"
    logit = scan.latents_to_logits(scan.factors_to_latents({"LBBB": 1})[0][None])[0, scan.factors.index("LBBB")]
    assert page.run(row) == as_percent(logit)


def as_percent(logit):
    percent = 100 / (1 + np.exp(-logit))
    return "<1 %" if percent < 1 else ">99 %" if percent > 99 else f"{percent:.0f} %"


def test_numbers_are_those_of_the_last_step_of_a_drag(model, explorer, browser, written):
    vae, scan, _ = model
    page, latent = browser.open(written), int(vae.active_latents_[0])
    row = "document.querySelector('[role=group][aria-label=\"Left bundle branch block\"] output').textContent"
    burst = """(async () => {
        const slider = document.querySelector("input[data-latent='%d']"), frame = () => new Promise(requestAnimationFrame);
        const move = (place) => { slider.value = place; slider.dispatchEvent(new Event("input", { bubbles: true })); };
        for (const place of %s) { move(place); await frame(); }
        await new Promise(done => setTimeout(done, 400));
        return %s;
    })()"""
    for last in (-3, 3):
        z = explorer.z.copy()
        z[latent] = scan.aggregated_mean_[latent] + last * scan.aggregated_sd_[latent]
        told = page.run(burst % (latent, [0, last / 3, last / 2, last], row))
        assert told == as_percent(scan.latents_to_logits(z[None])[0, scan.factors.index("LBBB")])


@pytest.mark.parametrize("width", [360, 700, 1200])
def test_nothing_sticks_out_of_a_narrow_or_wide_page(explorer, browser, width, written):
    page = browser.open(written)
    page.width(width)
    page.run("new Promise(done => setTimeout(done, 300))")
    assert page.run("document.documentElement.scrollWidth") <= width
    inside = "[...document.querySelectorAll('.vaescan-explorer *')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    assert page.run(inside)
    assert page.run("document.querySelector('.leads').getBoundingClientRect().width") > 0.4 * width


def test_every_control_has_a_name_for_screen_readers(explorer, browser, written):
    page = browser.open(written)
    nameless = page.run(
        "[...document.querySelectorAll('.vaescan-explorer :is(input, select, button)')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).length"
    )
    assert nameless == 0
    assert "V5" in page.run("document.querySelector('.leads').getAttribute('aria-label')")
    slider = "document.querySelector('input[data-latent]').getAttribute('aria-valuetext')"
    assert re.match(r".*SD, adds .*\d", page.run(slider))


def test_a_latent_plays_and_stops_where_it_began(browser, written):
    page = browser.open(written)
    page.media(prefers_reduced_motion="no-preference")
    before = lines(page)
    page.run(f"{PLAY}.click()")
    seen = page.run(FRAMES)
    assert len(set(seen)) >= 5 and page.run(f"{PLAY}.getAttribute('aria-pressed')") == "true"
    page.run(f"{PLAY}.click()")
    assert lines(page) == before and page.run(f"{PLAY}.getAttribute('aria-pressed')") == "false"
    page.run(f"{PLAY}.click()")
    page.run(f"{PLAY}.focus()")
    page.key("Escape", 27)
    assert lines(page) == before and page.run(UNDO) == "true", "playing is nothing to undo"
    page.media()


def test_where_less_motion_is_asked_for_a_latent_plays_in_steps(browser, written):
    page = browser.open(written)
    page.media(prefers_reduced_motion="reduce")
    page.run(f"{PLAY}.click()")
    assert len(set(page.run(FRAMES))) == 1
    page.run(f"{PLAY}.click()")
    page.media()


def test_text_and_lines_stand_out_in_the_light_and_in_the_dark_theme(explorer, browser, written):
    page = browser.open(written)
    for theme in ("light", "dark"):
        page.run(f"document.documentElement.dataset.theme = '{theme}'")
        ink, soft, ground, line, paper = (
            page.run(f"getComputedStyle(document.querySelector('.vaescan-explorer {element}')).{what}")
            for element, what in (
                (".latent span", "color"), (".note", "color"), ("", "backgroundColor"), ("path.beat", "stroke"),
                (".leads", "backgroundColor"),
            )
        )  # fmt: skip
        assert contrast(ink, ground) >= 7 and contrast(soft, ground) >= 4.5 and contrast(line, paper) >= 7, theme


def contrast(one, other):
    """Contrast of two CSS colours by WCAG 2."""

    def luminance(colour):
        rgb = np.array([float(x) for x in re.findall(r"[\d.]+", colour)[:3]]) / 255
        return np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_without_a_scan_there_are_latents_only(model, browser, tmp_path):
    page = browser.open(page_of(Explorer(model[0]), tmp_path / "page.html"))
    assert page.run("document.querySelectorAll('input[data-latent]').length") == len(model[0].active_latents_)
    assert page.run("document.querySelectorAll('input[type=radio]').length") == 0
    before = lines(page)
    page.drag("input[data-latent]", 0.2)
    assert lines(page) != before and not page.complaints


def test_a_scan_with_an_mlp_moves_latents_but_explains_nothing(model, browser, tmp_path):
    vae, scan, beats = model
    factors = pd.DataFrame({"LBBB": np.arange(len(beats)) % 2}, index=beats.ids)
    deep = vl.Scan(vae, ["LBBB"], decoder="mlp", budget=Budget(epochs=1)).fit(beats, factors, progress=False)
    page = browser.open(page_of(Explorer(vae, deep), tmp_path / "page.html"))
    assert page.run("document.querySelectorAll('.adds').length") == 0
    before = lines(page)
    page.run("document.querySelector('input[aria-label=\"Left bundle branch block: yes\"]').click()")
    assert lines(page) != before and not page.complaints


def test_python_moves_the_figure_and_the_figure_tells_python(model, explorer, browser, tmp_path):
    """With a stand-in for a widget's model that keeps what was saved and can fire changes, as Jupyter's does."""
    state = json.dumps({"z": explorer.z.tolist(), "factors": {}, "unspecified": "observe", "_network": explorer._network})
    script = f"""<div id="live"></div><script type="module">{explorer._esm}
      const model = standIn({state}), saved = [], callbacks = {{}};
      model.on = (name, call) => {{ (callbacks[name] ??= []).push(call); }};
      model.save_changes = () => saved.push({{ z: model.get("z"), factors: model.get("factors") }});
      window.live = {{ model, saved, fire: (name, value) => {{
        model.set(name, value); (callbacks["change:" + name] ?? []).forEach(call => call()); }} }};
      render({{ model, el: document.getElementById("live") }});</script>"""
    page = browser.open(page_of(explorer, tmp_path / "page.html", script))
    z = np.linspace(-1, 1, 10)
    before = page.run("document.querySelector('#live path.beat').getAttribute('d')")
    call(page, "live.fire('z', a[0])", z.tolist())
    assert page.run("document.querySelector('#live path.beat').getAttribute('d')") != before
    page.run("document.querySelector('#live input[aria-label=\"Left bundle branch block: yes\"]').click()")
    saved = page.run("live.saved.at(-1)")
    assert saved["factors"] == {"LBBB": 1}
    by_hand = z - explorer.z
    np.testing.assert_allclose(saved["z"], model[1].factors_to_latents({"LBBB": 1})[0] + by_hand, atol=2e-6)
    call(page, "live.fire('factors', a[0])", {"LVH": 0})
    assert page.run("document.querySelector('#live input[aria-label=\"Left ventricular hypertrophy: no\"]').checked")


def test_switches_of_two_figures_on_one_page_do_not_touch_each_other(model, browser, tmp_path):
    explorers = [Explorer(*model[:2]) for _ in range(2)]
    path = tmp_path / "page.html"
    path.write_text(f'<meta charset="utf-8">{explorers[0].html(b"")}{explorers[1].html(b"")}')
    page = browser.open(path)
    shown = (
        "[...document.querySelectorAll('.vaescan-explorer')].map(one => [...one.querySelectorAll('input[type=radio]:checked')]"
        ".map(radio => radio.value).join(' '))"
    )
    assert page.run(shown) == ["unknown unknown unknown"] * 2
    page.run("document.querySelector('input[aria-label=\"Left bundle branch block: yes\"]').click()")
    assert page.run(shown) == ["unknown yes unknown", "unknown unknown unknown"]


# ---- people, operators, undo, links


@pytest.fixture(scope="module")
def of_people(model, tmp_path_factory):
    """An explorer of four people, one of whom is known to have a block, and its page."""
    vae, scan, beats = model
    known = pd.DataFrame({"LBBB": [1.0], "sex_female": [0.0], "age_years": [71.0]}, index=beats.ids[1:2])
    explorer = Explorer(vae, scan, beats=beats[:4], known_factors=known.reindex(beats.ids[:4]))
    return explorer, known.reindex(beats.ids[:4]), page_of(explorer, tmp_path_factory.mktemp("people") / "page.html")


def button(page, text):
    return page.run(f"[...document.querySelectorAll('.vaescan-explorer button')].find(b => b.textContent === '{text}').click()")


def switch(page, label, word):
    page.run(f"document.querySelector('input[aria-label=\"{label}: {word}\"]').click()")


def start_from(page, place):
    person = "document.querySelector('select[aria-label=\"Start from\"]')"
    page.run(f"{person}.value = {place}; {person}.dispatchEvent(new Event('change'))")


def test_an_explorer_starts_from_the_first_person_and_moves_people_as_the_scan_does(model):
    vae, scan, beats = model
    explorer = Explorer(vae, scan, beats=beats[:4])
    assert explorer.people == list(beats.ids[:4]) and explorer.person == beats.ids[0]
    np.testing.assert_allclose(explorer.beat.signals, beats.signals[:1], atol=1e-5)  # float32 of some mV
    for to in ({}, {"LBBB": 1}, {"age_years": 80, "LVH": 0}):
        for row in (0, 3):
            explorer.person, explorer.factors = beats.ids[row], to
            np.testing.assert_allclose(explorer.beat.signals, scan.change(beats[[row]], to).signals, atol=1e-5)
    explorer.person = None
    np.testing.assert_allclose(explorer.z, scan.factors_to_latents({"age_years": 80, "LVH": 0})[0], atol=1e-5)


def test_a_caliper_reads_of_a_shown_person_what_it_reads_of_their_own_beat(model):
    vae, _, beats = model
    explorer = Explorer(vae, beats=beats[:4])
    for row in range(4):
        explorer.person = beats.ids[row]
        pd.testing.assert_frame_equal(vl.measure(explorer.beat), vl.measure(beats[[row]]), atol=0.5, check_dtype=False)
        pd.testing.assert_frame_equal(explorer.beat.quality, beats[[row]].quality)
    assert explorer.beat.rr_s == beats.rr_s[[3]]
    explorer.person = None
    assert np.isnan(explorer.beat.rr_s).all()


def test_what_is_known_of_people_counts_before_what_is_read(model, of_people):
    _, scan, beats = model
    explorer, known, _ = of_people
    explorer.person, explorer.factors = beats.ids[1], {"LBBB": 0}
    expected = scan.change(beats[[1]], {"LBBB": 0}, factors=known)
    np.testing.assert_allclose(explorer.beat.signals, expected.signals, atol=1e-5)
    assert np.abs(expected.signals - scan.change(beats[[1]], {"LBBB": 0}).signals).max() > 1e-3
    assert explorer._network["people"][1]["label"] == f"{beats.ids[1]}: male, 71 years, Left bundle branch block"
    explorer.factors, explorer.person = {}, beats.ids[0]


def test_of_many_people_eight_are_offered_and_unusable_ones_never(model):
    vae, scan, beats = model
    signals = beats.signals.copy()
    signals[0] = np.nan
    explorer = Explorer(vae, scan, beats=vl.BeatSet(signals, beats.fs, beats.leads, beats.ids, r_index=beats.r_index))
    assert len(explorer.people) == 8 and beats.ids[0] not in explorer.people and explorer.people[-1] == beats.ids[-1]
    none = vl.BeatSet(signals[:1], beats.fs, beats.leads, r_index=beats.r_index)
    with pytest.raises(ValueError, match="none of the 1 beats is usable"):
        Explorer(vae, scan, beats=none)
    with pytest.raises(ValueError, match="person must be None or the id of one of the people; got 'nobody', offered are"):
        explorer.person = "nobody"
    with pytest.raises(ValueError, match="known_factors describe people: give beats"):
        Explorer(vae, scan, known_factors=pd.DataFrame())


def test_latents_set_by_hand_stay_when_factors_or_people_change(model):
    vae, scan, beats = model
    explorer = Explorer(vae, scan, beats=beats[:2])
    by_hand = np.linspace(-1, 1, 10)
    explorer.z = explorer.z + by_hand
    explorer.factors, explorer.person = {"LBBB": 1}, None
    np.testing.assert_allclose(explorer.z, scan.factors_to_latents({"LBBB": 1})[0] + by_hand, atol=1e-5)
    final = np.arange(10.0)
    explorer.set_state({"factors": {"LVH": 1}, "person": beats.ids[1], "z": final.tolist()})
    np.testing.assert_array_equal(explorer.z, final)
    explorer.set_state({"factors": {}})  # as a widget linked to it in the page would
    moved = scan.encoder_.weight.detach().numpy()[:, scan.factors.index("LVH")] / scan.coding_.sd[scan.factors.index("LVH")]
    present = scan.ecg_to_factors(beats[[1]])["LVH"].iloc[0]
    np.testing.assert_allclose(explorer.z, final - moved * (1 - present), atol=1e-4)


def test_a_dropdown_linked_to_it_drives_the_person(model):
    import ipywidgets
    import traitlets

    vae, scan, beats = model
    explorer = Explorer(vae, scan, beats=beats[:3])
    dropdown = ipywidgets.Dropdown(options=explorer.people)
    traitlets.link((dropdown, "value"), (explorer, "person"))
    dropdown.value = explorer.people[2]
    np.testing.assert_allclose(explorer.z, vae.transform(beats[[2]])[0], atol=1e-6)
    explorer.person = explorer.people[1]
    assert dropdown.value == explorer.people[1]


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("to", [{}, {"LBBB": 1}, {"sex_female": 0, "age_years": 70}])
def test_the_page_changes_people_as_the_scan_does_within_5_microvolts(model, functions, to, row):
    _, scan, beats = model
    beat = "(n, p) => api.shownBeat(n, api.change(n.scan, p, a[0]), p).map(lead => [...lead])"
    found = call(functions, f"({beat})(api.network, api.network.people[a[1]])", to, row)
    assert 1000 * np.abs(np.array(found) - scan.change(beats[[row]], to).signals[0]).max() < 5


def test_the_page_guesses_measurements_as_python_fits_them_and_a_persons_own_are_theirs(model, functions):
    from vaescan_lite.web import readout

    vae, scan, beats = model
    fitted = readout.fit_readout(vae, scan.aggregated_mean_, scan.aggregated_sd_)
    z = np.random.default_rng(2).normal(size=(20, 10))
    outputs = readout._features(vae.network_.decoder, z) @ fitted.weights.T + fitted.bias.T
    found = call(functions, "a[0].map(z => { api.decode(api.network, z); return api.readouts(api.network, z); })", z.tolist())
    np.testing.assert_allclose([guess["qrs_ms"] for guess in found], outputs[:, 1], atol=0.5)
    np.testing.assert_allclose([guess["has_p"] for guess in found], outputs[:, 5], atol=0.01)
    axis = np.degrees(np.arctan2(outputs[:, 4], outputs[:, 3]))
    np.testing.assert_allclose([guess["qrs_axis_deg"] for guess in found], axis, atol=1)
    guess = "(n, p) => { api.decode(n, p.mu); return api.readouts(n, p.mu).qt_ms + p.offset.qt_ms; }"
    own = call(functions, f"({guess})(api.network, api.network.people[3])")
    assert own == pytest.approx(vl.measure(beats[[3]])["qt_ms"].iloc[0], abs=1e-3)


PAIRS = [({"LBBB": 1, "LVH": 0}, {"LVH": 0, "age_years": 60}), ({"LBBB": 1}, {}), ({}, {"LVH": 1}), ({"LBBB": 1}, {"LBBB": 0})]


@pytest.mark.parametrize("how", ["and", "in_common", "ignore"])
@pytest.mark.parametrize("pair", PAIRS)
def test_operators_are_those_of_combine(functions, pair, how):
    try:
        expected = vl.combine(*pair, how)
    except ValueError as error:
        with pytest.raises(RuntimeError, match=re.escape(str(error))):
            call(functions, "api.combine(...a)", *pair, how)
        return
    assert call(functions, "api.combine(...a)", *pair, how) == expected


def test_buttons_show_two_concepts_and_their_combinations(model, browser, written):
    _, scan, _ = model
    page = browser.open(written)
    switch(page, "Left bundle branch block", "yes")
    switch(page, "Female sex", "no")
    button(page, "B")
    assert page.run("document.querySelector('input[aria-label=\"Female sex: unknown\"]').checked")
    switch(page, "Female sex", "no")
    switch(page, "Left ventricular hypertrophy", "yes")
    a, b = {"LBBB": 1, "sex_female": 0}, {"sex_female": 0, "LVH": 1}
    for text, expected in (
        ("A", a), ("A AND B", vl.combine(a, b)), ("A IN COMMON B", vl.combine(a, b, "in_common")),
        ("A IGNORE B", vl.combine(a, b, "ignore")), ("B", b),
    ):  # fmt: skip
        button(page, text)
        beats = scan.factors_to_ecg(expected)
        np.testing.assert_allclose(drawn_line(page, "V1"), expected_line(beats, "V1"), atol=0.06, err_msg=text)
    switch(page, "Left bundle branch block", "no")
    button(page, "A AND B")
    assert "contradict each other: LBBB (1 and 0)" in page.run(STATUS)
    np.testing.assert_allclose(drawn_line(page, "V1"), expected_line(scan.factors_to_ecg({**b, "LBBB": 0}), "V1"), atol=0.06)


def test_undo_and_redo_go_back_and_forth_also_by_keyboard(browser, of_people):
    page = browser.open(of_people[2])
    states = [heights(page)]
    start_from(page, 2)
    states.append(heights(page))
    switch(page, "Left bundle branch block", "yes")
    states.append(heights(page))
    page.drag("input[data-latent]", 0.9)  # many moves, one step
    states.append(heights(page))
    button(page, "Reset")
    np.testing.assert_allclose(heights(page), states[1], atol=0.011)
    page.run("document.querySelector('input[data-latent]').focus()")
    for expected in (states[3], states[2], states[1], states[0]):
        page.key("z", 90, 2)
        np.testing.assert_allclose(heights(page), expected, atol=0.011)
    assert page.run(UNDO) == "true"
    for expected in (states[1], states[2]):
        page.key("Z", 90, 10)
        np.testing.assert_allclose(heights(page), expected, atol=0.011)
    button(page, "Redo")
    np.testing.assert_allclose(heights(page), states[3], atol=0.011)
    button(page, "Undo")
    np.testing.assert_allclose(heights(page), states[2], atol=0.011)
    assert page.run(UNDO) == "false"


def test_a_link_brings_the_state_back_and_one_of_another_figure_is_refused(browser, of_people):
    page = browser.open(of_people[2])
    start_from(page, 1)
    switch(page, "Left ventricular hypertrophy", "yes")
    page.drag("input[data-latent]", 0.8)
    button(page, "Copy link")
    shown, address = heights(page), page.run("location.href")
    assert re.search(r"#vaescan-explorer-\d+-[A-Za-z0-9_-]+$", address)
    page.open(of_people[2])
    assert np.abs(heights(page) - shown).max() > 1
    page.run(f"location.hash = {json.dumps(address.split('#')[1])}; new Promise(done => setTimeout(done, 300))")
    np.testing.assert_allclose(heights(page), shown, atol=0.02)
    name = re.search(r"vaescan-explorer-\d+", address)[0]
    page.run(f"location.hash = '{name}-bm9wZQ'; new Promise(done => setTimeout(done, 300))")
    assert "does not fit this figure" in page.run(STATUS) and not page.complaints


def test_svg_and_png_hold_twelve_leads_and_the_scale(browser, of_people):
    page = browser.open(of_people[2])
    page.run(
        """window.saved = []; URL.createObjectURL = blob => { saved.push(blob); return 'data:,'; };
        HTMLAnchorElement.prototype.click = function () { saved.at(-1).filename = this.download; };"""
    )
    page.run("document.querySelector('button[aria-label=\"Save as SVG\"]').click()")
    text = page.run("saved[0].text()")
    assert text.count('class="beat"') == 12 and "25 mm/s" in text and "V6" in text and "<title>" in text
    page.run("document.querySelector('button[aria-label=\"Save as PNG\"]').click()")
    ink = """(async () => { while (saved.length < 2) await new Promise(r => setTimeout(r, 50));
        const b = await createImageBitmap(saved[1]), c = new OffscreenCanvas(b.width, b.height), x = c.getContext('2d');
        x.drawImage(b, 0, 0); const d = x.getImageData(0, 0, b.width, b.height).data; let dark = 0;
        for (let i = 0; i < d.length; i += 4) dark += d[i] < 90; return [b.width, b.height, dark]; })()"""
    width, height, dark = page.run(ink)
    assert width > 1500 and height > 800 and dark > 5000
    assert page.run("saved.map(blob => blob.filename)") == ["ecg.svg", "ecg.png"]


def test_a_wave_that_leaves_the_paper_is_marked(browser, of_people):
    page = browser.open(of_people[2])
    assert page.run("[...document.querySelectorAll('path.mark')].every(m => !m.getAttribute('d'))")
    for share in (0.99, 0.01):
        for latent in range(4):
            page.drag(f".latents .latent:nth-child({latent + 1}) input", share)
    marked = page.run("[...document.querySelectorAll('path.mark')].filter(m => m.getAttribute('d')).length")
    assert marked == len(re.findall(r"mV\)", page.run(STATUS)))


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768), (390, 844)])
def test_the_ecg_stays_in_sight_whatever_is_moved(browser, of_people, size):
    page = browser.open(of_people[2])
    page.width(*size)
    page.run(f"document.body.style.paddingBlock = '900px'; {OPEN_ALL}")
    page.run("new Promise(done => setTimeout(done, 300))")
    shares = page.run(
        CONTROLS
        + """.map(e => { e.scrollIntoView({ block: 'center' });
        const r = document.querySelector('.leads').getBoundingClientRect();
        const own = e.getBoundingClientRect(), top = document.elementFromPoint(own.x + own.width / 2, own.y + own.height / 2);
        const name = e.getAttribute('aria-label') ?? e.textContent; if (!(top === e || e.contains(top))) return [-1, name];
        return [(Math.min(innerHeight, r.bottom) - Math.max(0, r.top)) / r.height, name]; })"""
    )
    page.width(900)
    assert len(shares) > 30 and min(share for share, _ in shares) >= 0.6, min(shares)


def test_every_target_has_24_pixels(browser, of_people):
    page = browser.open(of_people[2])
    for width in (390, 1280):
        page.width(width)
        page.run(OPEN_ALL)
        boxes = page.run(f"{CONTROLS}.map(e => [e.offsetWidth, e.offsetHeight, e.getAttribute('aria-label') ?? e.textContent])")
        assert len(boxes) > 30 and not [box for box in boxes if min(box[:2]) < 24]


def test_styles_do_not_leak(explorer):
    style = json.loads(re.match(r"const STYLE = (\".*?[^\\]\");\n", explorer._esm)[1])
    style = re.sub(r"/\*.*?\*/|@media[^{]*\{", "", style, flags=re.DOTALL)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", style) for part in rule.split(",")]
    assert len(selectors) > 60 and all(".vaescan-explorer" in selector for selector in selectors)


def test_a_notebook_gets_a_static_form_that_stays_and_a_live_one(explorer, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: shown.append((data, metadata)))
    explorer._ipython_display_()
    (static, _), (live, about) = shown
    widget = "application/vnd.jupyter.widget-view+json"
    assert {"text/html", "image/png"} <= set(static) and widget not in static
    assert widget in live and "text/html" not in live and about == {"vaescan": "live"}


def test_the_live_figure_hides_the_static_one_above_it(explorer, browser, tmp_path):
    state = {"z": explorer.z.tolist(), "factors": {}, "unspecified": "observe", "_network": explorer._network}
    script = f"""<div id="live"></div><script type="module">{explorer._esm}
      const model = {{ ...standIn({json.dumps(state)}), isStandIn: false }};
      render({{ model, el: document.getElementById("live") }});</script>"""
    page = browser.open(page_of(explorer, tmp_path / "page.html", script))
    page.run("new Promise(done => setTimeout(done, 300))")
    assert page.run("getComputedStyle(document.querySelector('.vaescan-static')).display") == "none"
    assert page.run("document.querySelector('#live .leads').offsetHeight") > 100


def test_an_error_message_in_place_of_the_live_figure_goes_and_the_static_one_stays(explorer, browser, tmp_path):
    path = tmp_path / "page.html"
    cell = f"""<div class="jp-OutputArea"><div class="jp-OutputArea-child"><div class="jp-OutputArea-output">
      {explorer.html()}</div></div><div class="jp-OutputArea-child" id="error">
      <div class="jp-OutputArea-output">Loading widget...</div></div></div>
      <div class="jp-OutputArea"><div class="jp-OutputArea-child"><div class="jp-OutputArea-output" id="list">
      Error displaying widget: model not found</div></div></div>"""
    cell = f'<div class="jp-Notebook">{cell}</div>'
    path.write_text(f'<!doctype html><meta charset="utf-8">{cell}', encoding="utf-8")
    page = browser.open(path)
    shown = "getComputedStyle(document.querySelector('#error')).display"
    assert page.run(shown) != "none"
    page.run("document.querySelector('#error div').textContent = 'Error displaying widget: model not found'; 0")
    assert page.run(shown) == "none" and page.run("document.querySelectorAll('path.beat').length") == 12
    assert page.run("document.querySelector('#list').textContent").startswith("Run this cell again")


def test_a_figure_that_enters_the_page_after_it_was_made_marks_no_wave_on_its_paper(explorer, browser, tmp_path):
    state = {"z": explorer.z.tolist(), "factors": {}, "unspecified": "observe", "_network": explorer._network}
    path = tmp_path / "page.html"
    path.write_text(
        f"""<!doctype html><meta charset="utf-8"><script type="module">{explorer._esm}
      const el = document.createElement("div");
      render({{ model: standIn({json.dumps(state)}), el }});
      setTimeout(() => document.body.append(el), 50);</script>""",
        encoding="utf-8",
    )
    page = browser.open(path)
    page.run("new Promise(done => setTimeout(done, 400))")
    assert page.run("document.querySelector('.leads').offsetHeight") > 100
    assert page.run("[...document.querySelectorAll('path.mark')].every(m => !m.getAttribute('d'))")
    assert "mV)" not in page.run(STATUS)
