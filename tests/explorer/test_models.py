"""Models and versions in the explorer: the list, opening one, the report."""

from __future__ import annotations

from tests.explorer.visit import Visit


def test_another_version_is_opened_from_the_list_and_from_the_table(visit: Visit) -> None:
    visit.open(view="models")
    assert visit.by_id("model").input_value() == "digits@2"
    visit.page.get_by_label("Open digits@1").click()
    visit.page.locator("#about h3", has_text="digits@1").wait_for()
    visit.until_still()
    first = visit.grey("#now")
    assert visit.link["model"] == "digits@1"
    assert visit.page.get_by_label("Open digits@1").is_disabled()
    visit.by_id("model").select_option("digits@2")
    visit.page.locator("#about h3", has_text="digits@2").wait_for()
    visit.until_still()
    assert visit.link["model"] == "digits@2"
    assert (visit.grey("#now") != first).any()


def test_the_table_has_every_version_and_its_state(visit: Visit) -> None:
    with visit.refused("the server responded with a status of 503"):
        visit.open_failed(model="image@2", view="models")
    visit.page.locator("#models-table tbody tr").nth(7).wait_for()
    rows = [row.locator("td").all_inner_texts() for row in visit.page.locator("#models-table tbody tr").all()]
    told = [
        (model["name"], str(version["version"]), version["state"])
        for model in visit.tell("/models")["models"]
        for version in reversed(model["versions"])
    ]
    assert [(row[0].split()[0], row[1], row[2].split()[0]) for row in rows] == told
    (failed,) = (row for row in rows if row[2].startswith("failed"))
    reason = visit.tell("/models/image/versions/2")["reason"]
    assert failed[2].split(maxsplit=1)[1] == reason
    assert "outputs differs from the recorded answer" in reason


def test_a_version_that_cannot_be_loaded_says_why_beside_the_picture(visit: Visit) -> None:
    """Its map is there all the same, and others can be opened."""
    with visit.refused("the server responded with a status of 503"):
        visit.open_failed(model="image@2")
        assert visit.text("now-error").startswith("image@2 is failed (GoldenMismatch")
        assert visit.by_id("banner").is_hidden(), "the server is there"
        assert len(visit.places_of("#map", (0x4E, 0x79, 0xA7))) > 500
        visit.by_id("model").select_option("image@1")
        visit.until_still()
        assert visit.text("now-error") == ""


def test_held_out_figures_stand_beside_those_of_pca(visit: Visit) -> None:
    visit.open(model="digits@2", view="models")
    visit.page.locator("#about table").wait_for()
    metrics = visit.tell("/models/digits/versions/2")["manifest"]["metrics"]
    rows = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts()
        for row in visit.page.locator("#about tbody tr").all()
    }
    assert rows["reconstruction error (mse)"] == [f"{metrics['mse']:.4g}", f"{metrics['pca_mse']:.4g}"]
    assert rows["ELBO, nats per item"] == [f"{metrics['elbo']:.4g}", "–"]
    accuracy = [f"{metrics[name]:.4g}" for name in ("knn_accuracy", "pca_knn_accuracy")]
    assert rows["nearest neighbours' accuracy on the codes"] == accuracy
    assert len(rows) == sum(not name.startswith("pca_") for name in metrics)


def test_the_diagnosis_and_the_figures_of_the_report(visit: Visit) -> None:
    visit.open(model="digits@1", view="models")
    visit.page.locator("#about .figures img").first.wait_for()
    links = visit.tell("/models/digits/versions/1")["links"]["report"]
    findings = visit.tell(links["diagnosis.json"])["findings"]
    assert len(findings) >= 1, "one epoch is too few"
    assert visit.page.locator("#about .findings li").all_inner_texts() == [found["text"] for found in findings]
    images = visit.page.locator("#about .figures img")
    assert images.count() == sum(name.endswith((".png", ".gif")) for name in links)
    for image in images.all():
        image.scroll_into_view_if_needed()
    visit.page.wait_for_function(
        "() => [...document.querySelectorAll('.figures img')].every((image) => image.naturalWidth > 50)"
    )
