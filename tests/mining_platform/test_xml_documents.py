"""XML holds text and nothing else; KML is read without following it anywhere."""

from pathlib import Path

import pytest

from mining_platform.vector_files import read_features
from mining_platform.xml_documents import XmlError, parsed_xml

BOMB = "<!DOCTYPE kml [<!ENTITY a0 'ha'>{}]><kml><name>&a20;</name></kml>".format(
    "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 21))
)
SECRET = "<!DOCTYPE kml [<!ENTITY x SYSTEM 'file://{}'>]><kml><Document><name>&x;</name></Document></kml>"
REMOTE = "<!DOCTYPE kml SYSTEM 'http://127.0.0.1:9/kml.dtd'><kml/>"
PARAMETER = "<!DOCTYPE kml [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/p'> %p;]><kml/>"

KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<NetworkLink><Link><href>http://127.0.0.1:9/more.kml</href></Link></NetworkLink>
<Folder><Placemark><name>Pit</name><ExtendedData><Data name="class"><value>mining</value></Data></ExtendedData>
<Polygon><outerBoundaryIs><LinearRing><coordinates>
 -55.0,-6.0,120 -54.9,-6.0,120 -54.9,-5.9,120 -55.0,-5.9,120 -55.0,-6.0,120
</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>
 -54.98,-5.98 -54.96,-5.98 -54.96,-5.96 -54.98,-5.98
</coordinates></LinearRing></innerBoundaryIs>
</Polygon></Placemark></Folder>
<Placemark><name>Camp</name><ExtendedData><SchemaData><SimpleData name="class">village</SimpleData></SchemaData></ExtendedData>
<Point><coordinates>-55.5,-6.5,0</coordinates></Point></Placemark>
</Document></kml>
"""


def refused(folder: Path, text: str, match: str) -> None:
    """Both doors refuse the text."""
    path = folder / "trap.kml"
    path.write_text(text)
    with pytest.raises(XmlError, match=match):
        parsed_xml(text.encode())
    with pytest.raises(XmlError, match=match):
        read_features(path)


def test_a_document_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, BOMB, "declares a document type or an entity")


def test_an_entity_that_names_a_file_is_refused_and_the_file_not_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    refused(tmp_path, SECRET.format(tmp_path / "secret"), "declares a document type or an entity")


@pytest.mark.parametrize("text", [REMOTE, PARAMETER, "<!DOCTYPE kml><kml/>"])
def test_a_document_type_is_refused_wherever_it_lies(text: str, tmp_path: Path) -> None:
    refused(tmp_path, text, "declares a document type or an entity")


@pytest.mark.parametrize("text", ["", "no xml", "<kml>", "<kml></kml", "<?xml version='1.0' encoding='nonsense'?><kml/>"])
def test_what_is_no_xml_is_refused(text: str, tmp_path: Path) -> None:
    refused(tmp_path, text, "it is no XML")


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mining_platform.xml_documents.MAX_BYTES", 100)
    refused(tmp_path, f"<kml>{'x' * 200}</kml>", "more than 100")


def test_placemarks_have_their_names_data_and_geometries(tmp_path: Path) -> None:
    (tmp_path / "sites.kml").write_text(KML)
    table = read_features(tmp_path / "sites.kml")
    assert table[["name", "class"]].to_numpy().tolist() == [["Pit", "mining"], ["Camp", "village"]]
    assert table.crs.to_epsg() == 4326
    assert table.geometry[0].area == pytest.approx(0.1 * 0.1 - 0.02 * 0.02 / 2)
    assert (table.geometry[1].x, table.geometry[1].y) == (-55.5, -6.5)
    assert not table.geometry.has_z.any()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<gpx/>", "it is no KML but gpx"),
        ("<kml><NetworkLink/></kml>", "no placemarks of its own"),
        ("<OGRVRTDataSource><kml/></OGRVRTDataSource>", "it is no KML but OGRVRTDataSource"),
        (
            "<kml><Placemark><Point><coordinates>a,b</coordinates></Point></Placemark></kml>",
            "coordinates that are no numbers: 'a,b'",
        ),
        ("<kml><Placemark><Point/></Placemark></kml>", "a geometry without coordinates"),
        ("<kml><Placemark><Polygon/></Placemark></kml>", "a polygon without one outer boundary"),
    ],
)
def test_kml_that_says_nothing_sound_is_refused(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "a.kml").write_text(text)
    with pytest.raises(XmlError, match=match):
        read_features(tmp_path / "a.kml")
