"""Words that carry grammar rather than subject matter, for a dozen languages."""

from stages.offline.word_sets import word_set

_LISTS: dict[str, str] = {
    "en": """a about above after again all almost along already also although always am among an and another any
        are around as at away back be became because been before began behind being below between both but by
        came can cannot could did do does done down during each either else enough even ever every few first for
        from get gets give given go goes got had has have having he her here hers him himself his how however i
        if in into is it its itself just keep kept last later least less let like made make makes many may me
        might more most much must my near need never next no none nor not nothing now of off often on once one
        ones only or other others our out over own per put quite rather really said same say says see seen she
        should since so some something still such take than that the their them themselves then there these they
        thing things this those though three through thus to together too took toward towards two under until up
        upon us use used very was way we well went were what when where whether which while who whom whose why
        will with within without would yet you your""",
    "de": """ab aber alle allem allen aller alles als also am an andere anderen anderer andern auch auf aus bei
        beim bereits bin bis bisher da dabei dadurch dafür dagegen daher damit danach dann daran darauf daraus
        darin darüber das dass davon dazu dem den denen denn der deren des dessen dich die dies diese diesem
        diesen dieser dieses doch dort du durch eben ein eine einem einen einer eines einige er erst es etwa
        etwas euch für ganz gegen geht gibt habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr
        ihre ihrem ihren ihrer im immer in indem ins ist ja jede jedem jeden jeder jedes jedoch jetzt kann kein
        keine keinem keinen keiner können könnte lässt man mehr mein mit muss müssen nach nachdem nicht nichts
        noch nun nur ob oder ohne rund sagt sagte schon sehr sei sein seine seinem seinen seiner seit selbst
        sich sie sind so sogar soll sollen sollte sondern sowie sowohl statt um und uns unser unter viel viele
        vom von vor war waren was weder weil weiter welche welcher wenig wenn wer werde werden wie wieder will
        wir wird wo wollen wurde wurden während zu zum zur zwar zwei zwischen über""",
    "fr": """a ai ainsi alors après au aucun aucune aussi autre autres aux avait avant avec avoir car ce ceci cela
        celle celles celui ces cet cette ceux chaque chez ci comme comment contre d dans de depuis des deux
        devant dit doit donc dont du elle elles en encore entre est et eu fait faire fois font furent fut ici il
        ils j je jusqu l la laquelle le lequel les leur leurs lors lorsque lui là m ma mais me mes moins mon
        même n ne ni non nos notre nous on ont ou où par parce pas pendant peu peut peuvent plus plusieurs pour
        pourquoi puis qu quand que quel quelle quelles quels qui quoi s sa sans se selon sera ses seulement si
        son sont sous sur t ta tandis tant te tels tous tout toute toutes très trois tu un une vers voir vous y
        à été être""",
    "es": """a acá además ahora al algo alguna algunas alguno algunos ante antes aquí así aun aunque aún bajo bien
        cada casi como con contra cual cuales cuando cuanto cómo de del desde después dice dijo donde dos
        durante día días e el ella ellas ello ellos en entonces entre era eran es esa esas ese eso esos esta
        estaba estas este esto estos está están fue fueron ha haber hace hacer hacia han hasta hay he hoy
        incluso la las le les lo los luego me menos mi mientras mis misma mismo mucho muchos muy más nada ni no
        nos nosotros o os otra otras otro otros para pero poco por porque puede pueden pues que quien quienes
        qué se sea según ser será si sido sin sino sobre solo son su sus sí sólo también tampoco tan tanto te
        tenía tiene tienen todo toda todas todos tras tres tu un una unas uno unos y ya yo""",
    "it": """a ad agli ai al alla alle allo altre altri altro anche ancora avere aveva c che chi ci come con
        contro cosa così cui d da dagli dai dal dalla dalle dallo degli dei del dell della delle dello dentro di
        dopo dove due e ed era erano essere fa fra già gli ha hanno i il in invece io l la le lei li lo loro lui
        ma mentre mi molto ne negli nei nel nell nella nelle no noi non nostro o ogni oltre ora per perché
        perciò più poco poi può qua quale quando quanto quella quelle quelli quello questa queste questi questo
        qui se sei senza si sia sono sopra sotto sta stata stato su sua sue sugli sui sul sulla suo suoi tra tre
        troppo tu tutte tutti tutto un una uno vi è""",
    "pt": """a ainda algo além ao aos apenas após aquela aquele aqui as assim até cada com como contra da das de
        depois desde deve disse do dois dos durante e ela elas ele eles em entre era eram essa esse esta este
        está estão eu foi foram havia há isso isto já la lhe mais mas me menos mesmo meu muito muitos na nas nem
        no nos nossa nosso não o onde os ou outra outras outro outros para pela pelas pelo pelos pode por porque
        quando que quem se seja sem sempre ser será seu seus sob sobre sua suas são só também tem tinha toda
        todas todo todos três tudo têm um uma umas uns você à às é""",
    "nl": """aan al alle als altijd ander andere bij daar dan dat de der deze die dit doch doen door dus een elke
        en er ging had heb hebben heeft hem het hier hij hoe hun iets ik in is ja je kan kon kunnen maar me meer
        men met mij mijn moet na naar niet niets nog nu of om omdat onder ons onze ook op over reeds te tegen
        toch toen tot twee u uit uw van veel voor want waren was wat we weer werd werden wezen wie wij wil
        worden wordt zal ze zei zelf zich zij zijn zo zonder zou""",
    "ru": """а без более больше будет будут бы был была были было быть в вам вас ведь весь во вот все всего всех
        всё вы где да даже два для до других другие его ее ей если есть еще ещё её же за здесь и из или им их к
        как какой когда кто ли лишь между меня мне много может можно мой мы на над надо нас не него нее ней нет
        ни них но ну о об однако он она они оно от очень перед по под после потом потому почти при про раз с сам
        свои свой своих себе себя сегодня сейчас со совсем так также такие такой там те тем теперь то тогда того
        тоже только том тот три тут ты у уже хотя чего чем через что чтобы эта эти этим этих это этого этой этом
        этот эту я""",
    "uk": """а але б без би був була були було бути в вже ви від він вона вони все всі для до його є з за зі і із
        й як яка який які й їх їхній коли лише між може ми на над не ні ну о перед під по при про с та так також
        там те ти тільки то тому у це цей ця ці час через чи що щоб я""",
    "ar": """أن أو أي إذا إلا إلى إن إنه أنه أنها إنها الا التي الذي الذين اللذين ان او اي بعد بعض بل بما بها به
        بين تحت تكون تلك ثم حتى حول حيث حين خلال دون ذلك رغم سوف ضد ضمن عبر عدد على عليه عليها عن عند عندما غير
        فقد فقط في فيما فيه فيها قال قالت قبل قد كان كانت كل كما كي لا لقد لكن لم لن له لها لهم ليس ليست ما مثل
        مع منذ من منه منها نحو هذا هذه هم هناك هو هي و وأن وفي وقال وقد وكان وكانت ولا ولم وهو وهي يكون يمكن""",
    "hi": """अपना अपनी अपने अब आदि इन इस इसके उन उनका उनके उस उसके एक और कई कर करते करना करने कहा का कि किया किसी
        की कुछ के को कोई गई गए गया जब जहां जा जाता जाती जो तक तथा तो था थी थे दिया द्वारा नहीं ने पर बाद भी में
        यह या ये रहा रही रहे लिए लेकिन वह वाले वे साथ से ही हुआ हुई हुए है हैं हो होता होती होने""",
    "tr": """ama ancak artık bazı belki ben bile bir biz bu çok çünkü da daha de değil diye en fakat gibi göre hem
        hep her hiç için ile ise kadar ki kim mi mu mü ne neden olan olarak olduğu oldu sadece sonra şey şu tüm
        ve veya ya yani yok""",
    "pl": """a aby ale bardzo bez bo był była było były by być co czy dla do gdy gdzie go i ich ile im in inne jak
        jako je jego jej jest jeszcze jeśli już każdy kiedy kto która które który lub ma mnie może można na nad
        nie nich niż o od on ona one oni oraz po pod przed przez przy się są ta tak także tam te tego tej ten to
        tu tylko tym tych u w we więc wszystko z za ze że""",
    "sv": """alla att av bara bli blir blev de dem den denna deras dess det detta dig din du där efter ej eller en
        er ett från för genom ha hade han har hans hennes hon hur här i icke in inte jag ju kan kunde man med
        mellan men mer mig min mot mycket ni nu när någon något några och om oss på samma sedan sig sin sina ska
        skulle som så till under upp ut utan vad var varit vi vid vilken vill är över""",
}

STOPWORDS: dict[str, frozenset[str]] = {language: word_set(words) for language, words in _LISTS.items()}
"""By ISO 639-1 code, in lower case."""

_ANY_LANGUAGE = frozenset().union(*STOPWORDS.values())

HAN_PARTICLES = (
    "的了是在和与及或也就都而着被把对从到为以其这那之於于不有我你他她它们个上下中来去说要会能可还又很但并等让将向因由所"
)
"""Chinese characters that mostly carry grammar; no key phrase begins or ends with one."""

MEASURE_WORDS = word_set(
    """one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million
    billion percent half third quarter second seconds minute minutes hour hours day days week weeks month months
    year years decade century time times metre metres meter meters kilometre kilometres miles feet tonnes tons
    degrees people number part way lot kind new old first last large small long great today yesterday tomorrow
    eins drei vier fünf sechs sieben acht neun zehn zwölf hundert tausend millionen milliarden prozent hälfte
    sekunden minuten stunde stunden tag tage tagen woche wochen monat monate monaten jahr jahre jahren jahres
    zeit mal meter metern kilometer tonnen grad euro teil ende anfang neue neuen neuer neues alte alten heute
    gestern morgen quatre cinq sept huit neuf dix cent mille millions pourcent moitié minutes heure heures jour
    jours semaine semaines mois année années ans siècle mètres kilomètres tonnes degrés euros partie nouveau
    nouvelle hier demain cuatro cinco siete ocho nueve diez cien ciento mil millones mitad minutos hora horas
    día semana semanas mes meses año años siglo metros kilómetros toneladas grados parte vez veces nuevo nueva
    nuevos nuevas ayer mañana четыре пять шесть семь восемь девять десять сто тысяч тысячи миллион миллионов
    процент процентов процента минут час часа часов день дня дней неделя недели недель месяц месяца месяцев год
    года году годы лет века метров километров тонн градусов рублей часть раза новый новая новые سنة سنوات عام
    أعوام شهر أشهر يوم أيام ساعة مليون ألف مئة كيلومتر متر"""
)
"""Numbers, measures and times: frequent, and never what a text is about."""

LINKING_WORDS = word_set(
    """he she it they this that these those his her their its however but also and so then therefore meanwhile
    still thus nor yet moreover furthermore instead otherwise such er sie es dies diese dieser dieses aber doch
    dennoch jedoch auch außerdem daher deshalb dann dabei damit dazu il elle ils elles ce cela cette ces mais
    aussi donc ainsi pourtant cependant puis él ella ellos ellas esto esta este estos pero también además así
    entonces sin он она они это этот эта эти но однако также поэтому затем هذا هذه هو هي هم لكن ولكن كما لذلك"""
)
"""First words that lean on the sentence before."""

LINKING_STARTS = (
    "しかし",
    "また",
    "そして",
    "だが",
    "この",
    "その",
    "これ",
    "それ",
    "但",
    "然而",
    "这",
    "它",
    "他",
    "她",
    "而且",
    "此外",
)
"""The same for languages without spaces."""


def stopwords_for(language: str | None) -> frozenset[str]:
    """The list for a language; for an unknown one, all lists together.

    >>> "und" in stopwords_for("de"), "und" in stopwords_for("en"), "und" in stopwords_for(None)
    (True, False, True)
    """
    return STOPWORDS.get((language or "")[:2].lower(), _ANY_LANGUAGE)
