"""Running text of many languages in the encodings that they are written in: right, or refused, and never read in
another language's encoding."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.user_data.encodings import Encoding, encoding_of

TEXTS = {
    "Polish": (
        "Bardzo dobry produkt, polecam wszystkim|Niestety przesyłka przyszła za późno|Jakość jest świetna|"
        "Nie działa tak, jak powinien|Książka była ciekawa, ale zakończenie słabe|Obsługa mogłaby być lepsza|"
        "Żona jest zachwycona prezentem|Zupełnie nie polecam, strata pieniędzy|Łatwy w użyciu i ładny wygląd|"
        "Zwróciłem po dwóch dniach|Cena trochę za wysoka|Będę zamawiał częściej"
    ),
    "Czech": (
        "Velmi dobrý výrobek, doporučuji všem|Bohužel zásilka přišla pozdě|Kvalita provedení je skvělá|"
        "Nefunguje tak, jak by měl|Kniha byla zajímavá, ale konec slabý|Zákaznický servis by mohl být lepší|"
        "Manželka je nadšená z dárku|Vůbec nedoporučuji, ztráta peněz|Snadné použití a pěkný vzhled|"
        "Vrátil jsem ho po dvou dnech|Cena je trochu vyšší|Příště si objednám znovu, určitě"
    ),
    "Slovak": (
        "Veľmi dobrý výrobok, odporúčam všetkým|Bohužiaľ zásielka prišla neskoro|Nefunguje tak, ako by mal, škoda|"
        "Kniha bola zaujímavá, ale koniec slabý|Zákaznícky servis by mohol byť lepší|Vôbec neodporúčam|"
        "Manželka je nadšená z darčeka|Jednoduché použitie a pekný vzhľad|Ďakujem, som spokojný|Cena je vyššia|"
        "Vrátil som ho po dvoch dňoch|Určite si ešte objednám"
    ),
    "Hungarian": (
        "Nagyon jó termék, mindenkinek ajánlom|Sajnos a csomag későn érkezett|A minőség kiváló, erős anyag|"
        "Nem úgy működik, ahogy kellene|A könyv érdekes volt, de a vége gyenge|Az ügyfélszolgálat jobb is lehetne|"
        "A feleségem nagyon örült az ajándéknak|Egyáltalán nem ajánlom, kidobott pénz|Könnyen használható és szép|"
        "Két nap múlva visszaküldtem, mert hibás volt|Az ára kicsit magas, de megérte|"
        "Legközelebb is tőlük rendelek, időben jött"
    ),
    "Romanian": (
        "Produs foarte bun, îl recomand tuturor|Din păcate coletul a venit târziu|Calitatea este excelentă şi aşa|"
        "Nu funcţionează cum ar trebui|Cartea a fost interesantă, dar sfârşitul slab|Sunt mulţumit de achiziţie|"
        "Soţia mea este încântată|Nu recomand deloc, bani aruncaţi|Uşor de folosit şi frumos|"
        "L-am returnat după două zile|Preţul este cam mare|Data viitoare cumpăr tot de aici, fără îndoială"
    ),
    "Croatian, Slovenian": (
        "Vrlo dobar proizvod, preporučujem svima|Nažalost paket je stigao kasno|Kvaliteta je izvrsna, odlična|"
        "Ne radi kako bi trebalo, loše|Knjiga je bila zanimljiva, ali kraj već slab|Služba bi mogla biti bolja|"
        "Moja žena je oduševljena poklonom|Nikako ne preporučujem, bačen novac|Jednostavno za korištenje|"
        "Vratio sam ga poslije dva dana, začudo|Cijena je malo viša, možda pretjerana|Sljedeći put ću opet naručiti"
    ),
    "Turkish": (
        "Çok güzel bir ürün, herkese tavsiye ederim|Maalesef kargo çok geç geldi|İşçilik kalitesi harika|"
        "Olması gerektiği gibi çalışmıyor|Kitap ilginçti ama sonu zayıftı|Müşteri hizmetleri daha iyi olabilirdi|"
        "Eşim hediyeye bayıldı|Kesinlikle önermiyorum, para kaybı|Kullanımı kolay ve görünüşü şık|"
        "İki gün sonra iade ettim|Fiyatı biraz yüksek|Bir dahaki sefere yine alacağım"
    ),
    "Lithuanian": (
        "Labai geras produktas, rekomenduoju visiems žmonėms|Deja, siuntinys atėjo per vėlai|Kokybė puiki, ačiū|"
        "Neveikia taip, kaip turėtų|Knyga buvo įdomi, bet pabaiga silpna|Aptarnavimas galėtų būti geresnis|"
        "Mano žmona sužavėta dovana|Visiškai nerekomenduoju, išmesti pinigai|Lengva naudoti ir gražu|"
        "Po dviejų dienų grąžinau|Kaina šiek tiek per didelė|Kitą kartą vėl užsisakysiu"
    ),
    "Latvian": (
        "Ļoti labs produkts, iesaku visiem|Diemžēl sūtījums pienāca par vēlu|Kvalitāte ir lieliska|"
        "Nedarbojas, kā vajadzētu|Grāmata bija interesanta, bet beigas vājas|Apkalpošana varētu būt labāka|"
        "Mana sieva ir sajūsmā|Nemaz neiesaku, izmesta nauda|Viegli lietojams un skaists, ērts|"
        "Pēc divām dienām atdevu atpakaļ|Cena nedaudz par augstu|Nākamreiz pasūtīšu vēlreiz, noteikti"
    ),
    "German": "Für alle zu empfehlen|Das Paket kam zu spät|Die Qualität ist großartig|Hübsch und schön, ein Café",
    "French": "Très bon, je le recommande à tous|Ça ne marche pas|Où est le cœur, naïf, déçu|Dû à l’août, bientôt",
    "Spanish": "Muy bueno para los niños|El envío llegó tarde|¿Quién no? ¡Qué bien!|Débil, aún así útil, pingüino",
    "Portuguese": "Não me arrependo|A devolução não funcionou|Ótima atenção, três opções|Às mãos do avô, à irmã",
    "Italian": "È un ottimo prodotto, perché funziona|La qualità è così così|Però più bello|Sarà lunedì, città",
    "Danish": "Kan varmt anbefales på øen|Kvaliteten er fremragende, også nu|Læs på færgen|Søren købte æbler",
    "Swedish": "Kan rekommenderas för alla|Kvaliteten är utmärkt på alla sätt|Jag är nöjd|Åka över ån, idé",
    "Icelandic": "Mjög góð vara, ég mæli með henni|Því miður kom hún seint|Gæðin eru frábær|Sigurður og ýmsir",
    "Estonian": "Väga hea, soovitan kõigile|Kahjuks jõudis pakk liiga hilja|Öö üle õunapuu|Kvaliteet on tõesti hea",
    "Albanian": "Produkt shumë i mirë, të gjithë|Çfarë është kjo|Nuk punon siç duhet, për fat të keq|Shkëlqyer",
    "Catalan": "Això és així|El català és fàcil, però què més|Feliç i útil, és a dir, açò|L’avió arribarà",
    "English": "It’s the café’s naïve façade|“Beyoncé” – said Señor Müller|São Paulo, voilà, £5|Crème brûlée",
}
ENCODINGS = {
    "Turkish": ("cp1254", "iso8859_9"),
    **dict.fromkeys(("Lithuanian", "Latvian"), ("cp1257", "iso8859_13")),
    **dict.fromkeys(
        ("Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian, Slovenian"), ("cp1250", "iso8859_2")
    ),
}
WESTERN = [language for language in TEXTS if language not in ENCODINGS]
CASES = [(language, encoding) for language, names in ENCODINGS.items() for encoding in names]


def written(path: Path, texts: list[str], encoding: str) -> str:
    """A table of them, each in a row."""
    rows = [f'"{text}",{"ab"[n % 2]}' for n, text in enumerate(texts)]
    content = "\n".join(["text,label", *rows])
    path.write_bytes(content.encode(encoding))
    return content


def read(path: Path) -> tuple[Encoding, str]:
    found = encoding_of(path)
    return found, path.read_bytes().decode(found.name, found.errors)


@pytest.mark.parametrize(("language", "encoding"), CASES, ids=str)
def test_a_dozen_rows_of_running_text_are_read_right(language: str, encoding: str, tmp_path: Path) -> None:
    content = written(tmp_path / "a.csv", TEXTS[language].split("|"), encoding)
    found, text = read(tmp_path / "a.csv")
    assert text == content
    assert language in found.note
    assert "--encoding" in found.note


@pytest.mark.parametrize("rows", [3, 4, 6])
@pytest.mark.parametrize(("language", "encoding"), CASES, ids=str)
def test_few_rows_are_read_right_or_as_windows_1252_with_their_words_shown_or_refused(
    language: str, encoding: str, rows: int, tmp_path: Path
) -> None:
    texts = TEXTS[language].split("|")
    for start in range(len(texts) - rows + 1):
        content = written(tmp_path / "a.csv", texts[start : start + rows], encoding)
        try:
            found, text = read(tmp_path / "a.csv")
        except BenchError:
            continue
        shown = found.name == "cp1252" and "if these are no words" in found.note
        assert text == content or shown


@pytest.mark.parametrize("repeated", [1, 12])
@pytest.mark.parametrize("languages", list(itertools.combinations(WESTERN, 2)), ids="+".join)
def test_two_western_languages_in_one_file_stay_windows_1252(
    languages: tuple[str, str], repeated: int, tmp_path: Path
) -> None:
    texts = [text for language in languages for text in TEXTS[language].split("|")] * repeated
    content = written(tmp_path / "a.csv", texts, "cp1252")
    found, text = read(tmp_path / "a.csv")
    assert (found.name, text) == ("cp1252", content)


@pytest.mark.parametrize(
    "names",
    [
        ("voilà", "Søren was great"),
        ("crème of the crop", "Sigurður was great"),
        ("Citroën", "Søren", "voilà"),
        ("Sigurður í Ölfusi", "Søren på åen", "Malmö är fin"),
        ("Õunapuu", "coup d’août", "Mañana"),
        ("Þór", "Müller", "façade"),
    ],
    ids=", ".join,
)
@pytest.mark.parametrize("quotes", [0, 30])
def test_names_of_several_languages_in_english_stay_windows_1252(
    names: tuple[str, ...], quotes: int, tmp_path: Path
) -> None:
    texts = [f"It’s good, don’t miss it number {n}" for n in range(quotes)] + [*names] * (
        12 if not quotes else 1
    )
    content = written(tmp_path / "a.csv", texts, "cp1252")
    found, text = read(tmp_path / "a.csv")
    assert (found.name, text) == ("cp1252", content)


LABELS = {
    "cp1251": ("да нет", "мир три", "хорошо плохо"),
    "koi8_r": ("да море", "хорошо плохо", "да нет"),
    "cp866": ("да хорошо", "хорошо еда", "да нет"),
    "iso8859_5": ("да авто", "да нет"),
    "cp1253": ("ναι οχι", "καλό κακό"),
    "gbk": ("好 坏", "体育 财经"),
    "shift_jis": ("正 いいえ", "良い 悪い"),
    "euc_jp": ("正 悪い", "良い いいえ"),
    "euc_kr": ("좋음 나쁨", "긍정 부정"),
    "cp1255": ("כן לא", "טוב רע"),
}


@pytest.mark.parametrize(
    ("encoding", "labels"),
    [(name, labels) for name, several in LABELS.items() for labels in several],
    ids=str,
)
def test_labels_of_another_script_are_refused(encoding: str, labels: str, tmp_path: Path) -> None:
    pair = labels.split()
    rows = [f"review number {n} is good,{pair[n % 2]}" for n in range(60)]
    (tmp_path / "a.csv").write_bytes("\n".join(["text,label", *rows]).encode(encoding))
    with pytest.raises(BenchError) as error:
        encoding_of(tmp_path / "a.csv")
    assert error.value.code == "unknown-encoding"


@pytest.mark.parametrize(
    ("encoding", "text", "named"),
    [
        ("iso2022_kr", "아주 좋은 제품입니다", "iso2022_kr"),
        ("hz", "非常好的产品", "hz"),
        ("iso2022_jp", "とても良い製品です", "iso2022_jp"),
        ("iso2022_jp_ext", "ﾊﾝｶｸ", "iso2022_jp_ext"),
    ],
)
def test_the_shifts_of_ascii_bytes_are_seen_anywhere_in_a_file(
    encoding: str, text: str, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    content = "text,label\n" + "hello there,a\n" * 1000 + f"{text},b\n"
    path.write_bytes(content.encode(encoding))
    with pytest.raises(BenchError) as error:
        encoding_of(path)
    assert error.value.code == "unknown-encoding"
    assert f"--encoding {named}," in str(error.value)
    assert path.read_bytes().decode(encoding_of(path, named).name) == content


@pytest.mark.parametrize("text", ["\x1b[1mbold\x1b(B\x1b[m", r"see~{\em this} and~{\bf that}", "a ~{ b ~} c"])
def test_other_escapes_are_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text,label\n{text},a\n")
    assert encoding_of(tmp_path / "a.csv") == Encoding("utf-8")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["とても良い製品です。おすすめします", "Очень хороший товар", "منتج جيد جدا", "品质很好"]
)
def test_utf_16_without_a_mark_is_read_where_it_gives_lines_of_letters(
    text: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("".join(f"{text}{n},良い\n" for n in range(60)).encode(encoding))
    found = encoding_of(path)
    assert found.name == encoding
    assert "without a mark" in found.note


def test_bytes_that_are_no_text_are_refused_and_utf_16_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(BenchError) as error:
        encoding_of(tmp_path / "a.csv")
    assert error.value.code == "not-text"
    assert "--encoding utf-16-le" in str(error.value)


@pytest.mark.parametrize("text", ["+new +few", "+abc +def +ghi +jkl", "A+B grade, +how", "cash+new-ish +few"])
def test_words_after_a_plus_are_no_utf_7(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + f"{text},a\n" * 30)
    assert encoding_of(tmp_path / "a.csv") == Encoding("utf-8")


@pytest.mark.parametrize("text", ["ein größer Text", "très déçu", "非常好的产品，推荐给大家 很遗憾"])
def test_one_row_of_utf_7_is_refused_by_name(text: str, tmp_path: Path) -> None:
    rows = [f"{n},a" for n in range(90)] + [f"{text},b"] * (3 if "非" in text else 1)
    (tmp_path / "a.csv").write_bytes("\n".join(rows).encode("utf-7"))
    with pytest.raises(BenchError) as error:
        encoding_of(tmp_path / "a.csv")
    assert error.value.code == "unknown-encoding"
    assert "--encoding utf-7" in str(error.value)
