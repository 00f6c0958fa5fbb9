"""Small lists by which names are told apart: titles, company suffixes, words for places, months."""

from stages.offline.word_sets import word_set

PERSON_TITLES = word_set(
    """mr mrs ms miss dr doctor prof professor sir dame lord lady president minister senator mayor judge captain
    engineer director chairman chairwoman king queen prince princess herr frau doktor professorin präsident
    präsidentin bürgermeister bürgermeisterin minister ministerin ingenieur ingenieurin direktor direktorin
    leiter leiterin sprecher sprecherin monsieur madame mme docteur docteure professeur professeure présidente
    ministre maire directeur directrice señor señora sr sra doctora profesor profesora presidente presidenta
    ministro ministra alcalde alcaldesa director directora ingeniero ingeniera господин госпожа доктор профессор
    президент министр директор инженер мэр الدكتور الدكتورة الأستاذ الأستاذة الرئيس الوزير الوزيرة السيد السيدة
    المهندس المهندسة"""
)
"""Words before a person's name, in lower case."""

SPEECH_VERBS = word_set(
    """said says told explained added argued recalled wrote asked replied warned insisted sagte sagt erklärte
    erklärt betonte meinte berichtet berichtete dit explique expliqué affirme affirmé raconte déclaré ajoute
    dijo dice explicó explica afirmó afirma señaló recuerda cuenta сказал сказала говорит заявил заявила
    рассказал рассказала объяснил объяснила отметил отметила قال قالت أكد أكدت أوضح أوضحت أضاف أضافت"""
)

FIRST_NAMES = word_set(
    """Adam Alice Alan Alexander Amy Andrew Anna Anne Anthony Ben Brian Caroline Catherine Charles Christine
    Clara Claire Daniel David Diana Edward Eleanor Elizabeth Emily Emma Eric Eva Francis Frank George Grace
    Hannah Harry Helen Henry Ian Jack James Jane Jean John Joan Joseph Julia Karen Kate Laura Leonardo Linda
    Lucy Margaret Maria Mark Martha Mary Matthew Michael Nicholas Nina Oliver Olivia Patrick Paul Peter Philip
    Priya Rachel Rebecca Richard Robert Rosa Ruth Sam Samuel Sarah Simon Sophie Stephen Susan Thomas Tom
    Victoria William Zoe Andreas Birgit Bernd Christoph Dieter Florian Franz Hans Heike Ines Jonas Jürgen Karin
    Karl Katharina Klaus Lena Lukas Markus Martin Monika Petra Sabine Stefan Uwe Werner Wolfgang André Camille
    Chloé Claude François Françoise Hélène Isabelle Jacques Jules Louis Luc Marc Marie Michel Nathalie Nicolas
    Philippe Pierre Sylvie Thérèse Alejandro Ana Antonio Carlos Carmen Diego Elena Fernando Francisco Javier
    Jorge José Juan Lucía Luis Manuel Marta Miguel Pablo Pedro Pilar Rafael Ramón Rosario Sofía Teresa Александр
    Алексей Андрей Анна Борис Виктор Владимир Галина Дмитрий Екатерина Елена Иван Игорь Ирина Лев Людмила Мария
    Марина Михаил Наталья Николай Ольга Павел Пётр Светлана Сергей Татьяна Юлия Юрий أحمد محمد علي حسن حسين خالد
    عمر فاطمة مريم ليلى سارة يوسف إبراهيم"""
)

ORGANIZATION_WORDS = word_set(
    """inc ltd llc plc corp corporation company co group bank university college institute institution council
    committee commission ministry department agency authority association society foundation trust union
    federation museum library party parliament senate court office bureau service board club league airlines
    railway laboratory gmbh ag kg se ev universität hochschule institut ministerium behörde verband verein
    stiftung gesellschaft bundesamt stadtwerke wasserwirtschaftsamt landesamt werke amt bundestag société
    université institut ministère conseil association fondation banque entreprise agence compagnie musée
    syndicat sa sarl sas universidad instituto ministerio consejo ayuntamiento asociación fundación banco
    empresa agencia cooperativa compañía museo sindicato sl cofradía университет институт министерство академия
    компания банк фонд комитет совет партия музей ооо оао пао جامعة شركة وزارة معهد بنك مؤسسة هيئة مجلس منظمة
    جمعية"""
)
"""Words that make a name one of an organisation, in lower case."""

PLACE_WORDS = word_set(
    """river lake mount mountain mountains valley street road avenue square bridge island islands sea ocean bay
    gulf cape port harbour harbor city county province district park forest canal desert strait fluss see berg
    tal straße platz brücke insel meer bucht stadt kreis land rivière lac mont montagne vallée rue place pont
    île mer baie ville canal fleuve río lago monte valle calle plaza puente isla mar bahía ciudad puerto sierra
    река озеро гора улица площадь мост остров море город область край مدينة نهر بحيرة جبل شارع جزيرة بحر محافظة"""
)

PLACES = word_set(
    """Africa America Antarctica Asia Australia Europe Algeria Argentina Austria Belgium Brazil Britain Canada
    Chile China Colombia Cuba Denmark Egypt England Ethiopia Finland France Germany Greece Hungary India
    Indonesia Iran Iraq Ireland Israel Italy Japan Kenya Korea Lebanon Mexico Morocco Netherlands Nigeria Norway
    Pakistan Panama Peru Poland Portugal Romania Russia Scotland Singapore Spain Sudan Sweden Switzerland Syria
    Thailand Tunisia Turkey Ukraine Vietnam Wales Amsterdam Athens Baghdad Bangkok Barcelona Beijing Berlin
    Boston Brussels Cairo Chicago Delhi Dublin Geneva Hamburg Istanbul Jerusalem London Madrid Manchester Milan
    Montreal Moscow Mumbai Munich Nairobi Oslo Paris Prague Rome Seoul Shanghai Stockholm Sydney Tehran Tokyo
    Toronto Venice Vienna Warsaw Washington Yorkshire Lancashire Afrika Amerika Asien Deutschland Österreich
    Schweiz Europa Frankreich Spanien Italien Russland Polen Niederlande Bayern Sachsen Hessen Köln München Wien
    Zürich Leipzig Dresden Frankfurt Nürnberg Stuttgart Allemagne Angleterre Belgique Espagne Italie Russie
    Suisse Lyon Marseille Bordeaux Lille Nantes Bruxelles Genève Toulouse Strasbourg Londres Bretagne Normandie
    España Alemania Francia Italia Inglaterra México Perú Sevilla Valencia Bilbao Zaragoza Málaga Galicia
    Cataluña Andalucía Cádiz Россия Москва Петербург Европа Азия Германия Франция Украина Казахстан Сибирь
    Байкал Волга Урал Китай Япония مصر القاهرة السعودية الرياض العراق بغداد سوريا دمشق لبنان بيروت المغرب الرباط
    الجزائر تونس الأردن عمان دبي الإمارات أوروبا أفريقيا آسيا"""
)

PLACE_PREPOSITIONS = {
    "en": frozenset(("in", "near")),
    "de": frozenset(("in", "nach", "bei", "nahe")),
    "fr": frozenset(("à", "en")),
    "es": frozenset(("en",)),
    "it": frozenset(("a", "in")),
    "ru": frozenset(("в", "из")),
}
"""Words after which a single name is probably a place, by language."""

NAME_PARTICLES = word_set("of de la le du des del di da dos von van der den zu bin al el y")
"""Small words that may stand inside a name."""

MONTHS = word_set(
    """january february march april may june july august september october november december januar februar märz
    mai juni juli oktober dezember janvier février mars avril juin juillet août septembre octobre novembre
    décembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre января
    февраля марта апреля мая июня июля августа сентября октября ноября декабря يناير فبراير مارس أبريل مايو
    يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر"""
)

UNNAMING_WORDS = MONTHS | word_set(
    """monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter christmas easter
    montag dienstag mittwoch donnerstag freitag samstag sonntag frühjahr sommer herbst ostern weihnachten
    english british scottish welsh irish american canadian australian french german italian spanish portuguese
    dutch belgian swiss austrian polish russian ukrainian turkish greek swedish norwegian danish finnish chinese
    japanese korean indian arab african european asian roman latin lundi mardi mercredi jeudi vendredi samedi
    dimanche lunes martes miércoles jueves viernes sábado domingo"""
)
"""Capitalised words that are no names: of the calendar, and adjectives of nations."""

UNITS = (
    "percent|per cent|Prozent|pour cent|por ciento|процент\\w*|٪|%|‰|km²|km/h|km|kilomet(?:er|re)s?|Kilometern?|"
    "kilómetros?|kilomètres?|met(?:er|re)s?|Metern?|mètres?|metros?|m³|m²|miles?|feet|inches|tonnes?|tons?|Tonnen|toneladas?|kg|"
    "Kilogramm|kilos?|litres?|liters?|Litern?|litros?|hectares?|Hektar|hectáreas?|MW|GW|kW|kWh|MWh|GWh|TWh|Megawatt|"
    "degrees|Grad|degrés|grados|°C|°F|euros?|dollars?|dólares|pounds?|yen|rubles|рубл\\w*|years?|Jahren?|ans|années|años|"
    "лет|months?|Monaten?|meses|hours?|Stunden|heures|horas|people|Menschen|personnes|personas|человек|километр\\w*|"
    "метр\\w*|тонн\\w*|килограмм\\w*"
)
"""Words and signs that make a number worth naming; a part of a regular expression."""

MAGNITUDES = (
    "thousand|million|billion|trillion|Tausend|Millionen|Milliarden|Million|Milliarde|Mio\\.|Mrd\\.|mille|millions|"
    "milliards?|mil|millones|тыс\\.|тысяч\\w*|млн|миллион\\w*|млрд|миллиард\\w*|ألف|مليون|مليار"
)
