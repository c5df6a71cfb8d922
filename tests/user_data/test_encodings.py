"""Encodings that are told by the letters of a language, and files of one task in different encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contracts import BenchError
from tests.support.user_files import all_rows, opened

TEXTS = {
    "Turkish": "Bu ürün çok güzel ama kargo geç geldi {n}. Şikayetçiyim, iade ettim ve ılık suyu ağabeyim beğendi",
    "Czech": "Příliš žluťoučký kůň {n} úpěl ďábelské ódy a výrobek je špatný",
    "Hungarian": "Nagyon jó minőségű termék {n}, gyűlölöm a késést, tökéletes működés, őszintén",
    "Romanian": "Acest produs este foarte bun şi îl recomand {n}, livrarea a întârziat două zile, mulţumesc",
    "Polish": "Zażółć gęślą jaźń {n}, przesyłka przyszła późno",
    "Croatian, Slovenian": "Preporučujem svima {n}, odlična kvaliteta, žao mi je, šteta, ćevapi",
    "Lithuanian": "Pristatymas vėlavo {n}, tačiau ąžuolas, šuo, žąsis, ūsai, ėda į ežerą",
    "Latvian": "Piegāde kavējās {n}, ūdens, šķūnis, ņem, ēka, ļoti ģimene",
}
ENCODINGS = [
    ("Turkish", "cp1254"),
    ("Turkish", "iso8859_9"),
    ("Czech", "cp1250"),
    ("Czech", "iso8859_2"),
    ("Hungarian", "cp1250"),
    ("Romanian", "iso8859_2"),
    ("Polish", "cp1250"),
    ("Polish", "iso8859_2"),
    ("Croatian, Slovenian", "cp1250"),
    ("Croatian, Slovenian", "iso8859_2"),
    ("Lithuanian", "cp1257"),
    ("Latvian", "cp1257"),
]
WESTERN = {
    "German": "Das Gerät ist schön {n}, aber die Lieferung war verspätet, für den Preis Größe passt",
    "French": "Très déçu {n}, la qualité n'est pas à la hauteur, où est le remboursement, çà et là, naïf, œuvre",
    "Spanish": "El producto llegó tarde {n}, ¿cuándo me devolverán el dinero? Mañana será otro día, señor, aún",
    "Portuguese": "Não gostei {n}, a devolução não funcionou, ótima atenção, coração, você, avó",
    "Icelandic": "Þetta er mjög góð vara {n}, ég mæli með henni, því miður, ýmsir, hún, það",
    "Faroese": "Hetta er ein góð vøra {n}, hví tað var so dýrt, Føroyar, ránsoknir, áðrenn",
    "Finnish": "Tämä tuote on erittäin hyvä {n}, mutta toimitus myöhästyi, kyllä",
    "English": "The café's naïve façade {n}: “Beyoncé” said Señor Müller paid 5 £ or 6 € for the résumé",
    "several": "Größe passt schön {n}. Très déçu, à côté. Mañana, señor. Não, coração. Smørrebrød på åen",
}


def table(text: str, rows: int = 24) -> str:
    lines = [f"{text.format(n=n)}\t{'ab'[n % 2]}" for n in range(rows)]
    return "\n".join(["text\tlabel", *lines])


@pytest.mark.parametrize(("language", "encoding"), ENCODINGS, ids=str)
def test_an_encoding_is_told_by_the_letters_of_a_language(
    language: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(table(TEXTS[language]).encode(encoding))
    found = opened(path)
    assert {row.text for row in all_rows(found)} == {TEXTS[language].format(n=n) for n in range(24)}
    assert any(language in note and "--encoding" in note for note in found.notes)


@pytest.mark.parametrize("language", WESTERN)
def test_western_texts_stay_windows_1252(language: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(table(WESTERN[language]).encode("cp1252"))
    found = opened(path)
    assert {row.text for row in all_rows(found)} == {WESTERN[language].format(n=n) for n in range(24)}


def test_utf_7_is_refused_by_name_and_read_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(table(TEXTS["Turkish"]).encode("utf-7"))
    with pytest.raises(BenchError) as error:
        opened(path)
    assert error.value.code == "unknown-encoding"
    assert "--encoding utf-7" in str(error.value)
    assert {row.text for row in all_rows(opened(path, encoding="utf-7"))} == {
        TEXTS["Turkish"].format(n=n) for n in range(24)
    }


@pytest.mark.parametrize(
    "text", ["call +4912345678 or +12345678 {n}", "C++ and a+b+c {n}", "mail me+news-{n}@example.org +1 +2"]
)
def test_a_plus_is_no_utf_7(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(table(text))
    assert {row.text for row in all_rows(opened(path))} == {text.format(n=n) for n in range(24)}


@pytest.mark.parametrize("with_mark", ["train", "test"])
def test_the_mark_of_one_file_decides_whatever_encoding_is_given(with_mark: str, tmp_path: Path) -> None:
    """--encoding holds for both files, and one of them says itself what it is."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    for path, split in ((train, "train"), (test, "test")):
        text = table(f"çok güzel {split} {{n}}", 12 if split == "test" else 24)
        path.write_bytes(text.encode("utf-8-sig" if split == with_mark else "cp1254"))
    found = opened(train, test_data=str(test), encoding="cp1254")
    assert {row.text for row in found.splits.test} == {f"çok güzel test {n}" for n in range(12)}
    assert any("not cp1254" in note for note in found.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_each_file_has_its_own_encoding_and_separator(encoding: str, separator: str, tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(table("schöner Text {n}"))
    test.write_bytes(table("größer {n}", 12).replace("\t", separator).encode(encoding))
    found = opened(train, test_data=str(test))
    assert [row.text for row in found.splits.test] == [f"größer {n}" for n in range(12)]
