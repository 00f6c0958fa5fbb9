"""Short articles in eight languages, each with its lead sentence."""

from dataclasses import dataclass

from stages.contract import Article


@dataclass(frozen=True)
class Passage:
    """A title and paragraphs; the first sentence says what the article is about."""

    language: str
    title: str
    paragraphs: tuple[str, ...]
    lead: str

    @property
    def text(self) -> str:
        return "\n\n".join(self.paragraphs)

    @property
    def article(self) -> Article:
        return make_article(self.text, title=self.title, language=self.language)


def make_article(
    text: str, *, markdown: str | None = None, title: str | None = None, language: str | None = "en"
) -> Article:
    """An article whose Markdown is its text, unless it is given."""
    return Article(text=text, markdown=markdown or text, title=title, language=language, word_count=len(text.split()))


PASSAGES = (
    Passage(
        "en",
        "Owls return to the old mill",
        (
            "A pair of barn owls has nested in the old mill at Fenwick for the first time since 1987. "
            "Volunteers had spent three winters building oak boxes under the roof of the mill.",
            "Dr. Anna Reed, who counts the owls of the county, found four eggs in the largest box on 3 May. "
            "The owls hunt over the meadows that the parish stopped mowing five years ago. "
            "Voles live there again, and each owl needs about four of them a night.",
            "The mill will stay closed to visitors until the chicks have flown. Is that too strict? "
            "The parish council thinks not, and a camera shows the nest in the village shop.",
        ),
        "A pair of barn owls has nested in the old mill at Fenwick for the first time since 1987.",
    ),
    Passage(
        "de",
        "Neue Brücke über die Lahne",
        (
            "Die Stadt Weidenau eröffnet am 3. Oktober eine neue Brücke aus Holz über die Lahne. "
            "Die Brücke ist 62 Meter lang und ersetzt einen Steg, den das Hochwasser vor drei Jahren zerstörte.",
            "Gebaut wurde sie aus Lärchen, die im Stadtwald gefällt wurden. Das Holz trägt z. B. auch "
            "Feuerwehrwagen mit einem Gewicht von 16 Tonnen. Bürgermeisterin Petra Lang lobte die Zimmerleute.",
            "Die Kosten von 1,9 Millionen Euro teilen sich die Stadt und das Land. "
            "Radfahrer sparen künftig einen Umweg von vier Kilometern. Der alte Steg wird im Museum gezeigt.",
        ),
        "Die Stadt Weidenau eröffnet am 3. Oktober eine neue Brücke aus Holz über die Lahne.",
    ),
    Passage(
        "fr",
        "Le phare de Kermor s'allume à nouveau",
        (
            "Le phare de Kermor s'est rallumé mardi soir après douze ans d'obscurité. "
            "Sa lampe, désormais alimentée par le soleil, se voit à plus de trente kilomètres.",
            "Les habitants de l'île avaient réuni 240 000 euros pour sauver le phare. "
            "Un artisan de Brest a réparé la lentille, dont une partie s'était brisée pendant la tempête. "
            "« Nous dormions mal sans lui », raconte Hélène Le Goff, l'institutrice.",
            "L'État voulait vendre le bâtiment à un hôtel. Le conseil municipal a refusé et l'a racheté en 2023. "
            "Des visites auront lieu chaque dimanche d'été, et les recettes paieront l'entretien.",
        ),
        "Le phare de Kermor s'est rallumé mardi soir après douze ans d'obscurité.",
    ),
    Passage(
        "es",
        "Un tren de noche une otra vez la sierra y el mar",
        (
            "El tren de noche entre la sierra y el mar volverá a circular en abril, veinte años después de su cierre. "
            "Saldrá tres veces por semana y tardará nueve horas en recorrer 540 kilómetros.",
            "La compañía ha restaurado catorce coches de los años setenta y ha conservado sus literas de madera. "
            "Cada billete costará unos 45 euros, menos que el avión. ¿Vendrán los viajeros? "
            "Las reservas del primer mes se agotaron en dos días.",
            "Los alcaldes de los pueblos esperan que el tren traiga turistas. "
            "El Sr. Molina, que vende café en la estación de Robledal, ya ha contratado a dos empleados.",
        ),
        "El tren de noche entre la sierra y el mar volverá a circular en abril, veinte años después de su cierre.",
    ),
    Passage(
        "ru",
        "В Заречье открыли музей часов",
        (
            "В городе Заречье открыли музей старинных часов, который собрал часовщик Иван Лебедев. "
            "В пяти залах музея идут 320 часов, и каждый вечер их заводят вручную.",
            "Самые старые часы сделаны в 1742 г. в Москве и весят 40 килограммов. "
            "Лебедев начал собирать механизмы ещё в школе, когда сосед отдал ему сломанный будильник. "
            "Город выделил для музея здание бывшей аптеки.",
            "За первую неделю выставку посетили две тысячи человек. "
            "Вход для детей бесплатный. Весной музей откроет мастерскую, где научат чинить часы.",
        ),
        "В городе Заречье открыли музей старинных часов, который собрал часовщик Иван Лебедев.",
    ),
    Passage(
        "zh",
        "山村小学用雨水种出蔬菜",
        (
            "云岭村小学的师生用收集的雨水种出了全校吃的蔬菜。学校在屋顶安装了水槽，雨水流进三个水池，一年可以储存九十吨水。",
            "这个村子地势高，打井很难找到水。过去，食堂的蔬菜要从四十公里外的县城运来，价格贵，也不新鲜。"
            "李明老师和学生们一起修水池、整理菜地，用了两个学期。",
            "现在菜地里种着白菜、萝卜和豆角，每周能收两百斤蔬菜。学生们轮流浇水，并记录每天的雨量。"
            "“孩子们学会了珍惜雨水。”李明说。附近五所小学准备采用同样的办法。",
        ),
        "云岭村小学的师生用收集的雨水种出了全校吃的蔬菜。",
    ),
    Passage(
        "ja",
        "廃校の校舎が町の図書館に",
        (
            "山あいの青葉町で、廃校になった小学校の校舎が町の図書館として生まれ変わった。"
            "図書館には三万冊の本が並び、教室だった部屋で静かに読むことができる。",
            "校舎は昭和十二年に建てられた木造で、町は壊さずに残す道を選んだ。"
            "改修の費用は2億円で、そのうち三割を住民の寄付が占めた。"
            "「この校舎で字を覚えた。だから残したかった。」と卒業生の女性は話す。",
            "図書館は夜九時まで開いており、仕事帰りの人も利用できる。"
            "開館から一か月で、町の人口を上回る六千人が図書館を訪れた。",
        ),
        "山あいの青葉町で、廃校になった小学校の校舎が町の図書館として生まれ変わった。",
    ),
    Passage(
        "ar",
        "قرية تعيد الحياة إلى قنوات الماء القديمة",
        (
            "أعاد أهالي قرية النخيل الحياة إلى قنوات الماء القديمة التي توقفت منذ أربعين عاما. "
            "وتمتد القنوات تحت الأرض مسافة سبعة كيلومترات من سفح الجبل إلى بساتين القرية.",
            "عمل مئة متطوع عامين كاملين لإزالة الطين والحجارة من القنوات. "
            "وقال المهندس خالد المنصور إن الماء يصل اليوم إلى ثلاثمئة بستان من دون مضخات. "
            "هل تكفي هذه الكمية في الصيف؟",
            "يؤكد المزارعون أن الماء زاد بعد تنظيف القنوات، وأن محصول التمر تضاعف. "
            "وتستعد قريتان مجاورتان لتنظيف قنواتهما في العام المقبل.",
        ),
        "أعاد أهالي قرية النخيل الحياة إلى قنوات الماء القديمة التي توقفت منذ أربعين عاما.",
    ),
)

BY_LANGUAGE = {passage.language: passage for passage in PASSAGES}
