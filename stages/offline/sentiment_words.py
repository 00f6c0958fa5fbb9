"""Words of praise and of complaint, and words that turn them round, for the languages whose tone is judged.

A trailing `*` stands for any ending. Chinese and Japanese entries are looked for as parts of the text.
"""

from dataclasses import dataclass

from stages.offline.word_sets import word_set


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The tone words of one language, in lower case."""

    positive: frozenset[str]
    negative: frozenset[str]
    negations: frozenset[str]
    negates_after: bool
    """Whether a negation follows what it negates."""


def _lexicon(positive: str, negative: str, negations: str, *, negates_after: bool = False) -> Lexicon:
    return Lexicon(word_set(positive), word_set(negative), word_set(negations), negates_after)


LEXICONS: dict[str, Lexicon] = {
    "en": _lexicon(
        """good better best great excellent outstanding wonderful superb brilliant fantastic amazing beautiful
        delight* happy happi* joy* glad pleas* enjoy* love loved loves lovely success* succeed* win wins won
        winning winner* triumph* improv* benefi* gain gains progress hope hopeful hopes promising optimis*
        praise* applaud* celebrat* welcom* proud pride thriv* flourish* prosper* safe safer safely secure*
        reliab* robust strong stronger strength* healthy recover* restor* rescu* saved relief reliev* peace*
        generous kind kindness grateful thank* friendly impress* remarkable inspir* innovati* efficien*
        effective* affordab* cheaper boost* support* comfort* elegant perfect* recommend* solved breakthrough
        award* honour* honor*""",
        """bad worse worst terrible awful horrible dreadful poor poorly fail* broke broken break* breakdown
        wrong error* mistake* problem* crisis crises disaster* catastroph* tragic traged* die died dies death*
        dead kill* injur* hurt* wound* victim* suffer* pain* harm* damag* destroy* destruct* ruin* collaps*
        loss* lose loses losing lost danger* threat* risk* unsafe fear* afraid worr* anxi* angry anger outrage*
        furious sad sadly grief mourn* despair* disappoint* regret* complain* critici* condemn* accus* blame*
        guilty fraud* corrupt* scandal* crime* criminal* illegal* violen* war wars attack* conflict* protest*
        poverty unemploy* debt* bankrupt* recession declin* falling shortage* drought* flood* pollut* toxic*
        poison* waste* delay* costly expensive weak* useless ugly hate* boring annoy* frustrat* unfair
        difficult* struggl* abandon* neglect* leak*""",
        "not no never none nobody nothing neither nor without hardly barely scarcely cannot can't won't don't doesn't "
        "didn't isn't wasn't aren't weren't couldn't wouldn't shouldn't hasn't haven't hadn't",
    ),
    "de": _lexicon(
        """gut gute guten guter gutes besser* beste besten bester großartig* ausgezeichnet* hervorragend*
        wunderbar* schön* herrlich* freu* froh* glück* zufrieden* lieb* erfolg* gelung* gelingt gewinn* gewonnen
        sieg* verbesser* vorteil* fortschritt* hoffnung* hoffen* hofft vielversprechend* optimis* lob* begrüß*
        stolz* sicher* zuverlässig* stabil* stark* stärk* gesund* erholt* erholung* gerettet rettung*
        erleichter* frieden* friedlich* dankbar* dank freundlich* beeindruck* bemerkenswert* innovati* effizien*
        wirksam* günstig* unterstütz* vertrau* empfehl* gelöst lösung* durchbruch* auszeichnung* preisgekrönt*
        begeister* nützlich* hilfreich*""",
        """schlecht* schlimm* furchtbar* schrecklich* fehler* falsch* problem* krise* katastroph* tragisch*
        tragödie* tot tote* tod* gestorben starb* getötet* verletz* opfer* leid* leiden* schmerz* schaden
        schäden schäd* beschädig* zerstör* ruin* einsturz* eingestürzt* verlust* verlor* verlier* gefahr*
        gefähr* bedroh* drohen* droht risik* unsicher* angst* ängst* sorge* sorgen befürcht* wut* wütend* empör*
        traurig* trauer* verzweif* enttäusch* bedauer* beschwer* kritik* kritisier* vorwurf* vorwürf* schuld*
        betrug* korrupt* skandal* verbrech* illegal* gewalt* krieg* angriff* konflikt* protest* armut*
        arbeitslos* pleite* insolven* rezession* rückgang* mangel* dürre* hochwasser* giftig* verschmutz*
        verspät* verzöger* teuer* schwach* schwäch* nutzlos* hässlich* hass* scheiter* gescheitert*""",
        "nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder kaum",
    ),
    "fr": _lexicon(
        """bon bonne bons bonnes mieux meilleur* excellent* superbe* merveill* magnifique* beau belle*
        formidable* heureu* joie* content* ravi* plaisir* aime* adore* succès réussi* réussite* gagn* victoire*
        amélior* avantage* bénéfi* progrès espoir* espère* prometteu* optimis* félicit* salu* fier* fière* sûr
        sûre* fiable* solide* robuste* santé rétabli* sauv* soulag* paix paisible* reconnaissan* merci aimable*
        impressionn* remarquable* innov* effica* abordable* soutien* soutenu* confiance* recommand* résolu*
        percée* utile* enthousias*""",
        """mauvais* pire* terrible* horrible* affreu* échec* échou* erreur* faute* problème* crise* catastroph*
        désastr* tragi* mort* décès tué* bless* victime* souffr* douleur* dommage* dégât* détrui* destruct*
        ruin* effondr* perte* perdu* perd perdre danger* menac* risque* peur* crain* inquiet* inquiét* colère*
        furieu* triste* deuil désespoir* déçu* décept* regret* plaint* critiqu* condamn* accus* coupable*
        fraude* corrupt* corrompu* scandale* crime* illéga* violen* guerre* attaque* conflit* pauvre* chômage
        dette* faillite* récession* baisse* pénurie* sécheresse* inondation* pollu* toxique* retard* coûteu*
        cher chère* chers faible* inutile* laid* haine* difficil* abandon*""",
        "ne n pas jamais rien aucun aucune ni sans personne guère",
    ),
    "es": _lexicon(
        """buen bueno buena buenos buenas mejor* excelente* magnífic* maravillos* estupend* hermos* bonit* feliz
        felices felicidad alegr* content* encanta* disfrut* amor éxito* exitos* logr* gana ganan ganó ganar*
        ganad* ganancia* victoria* triunf* mejora* beneficio* ventaja* progreso* avance* esperanza* prometedor*
        optimis* elogi* celebr* orgull* segur* fiable* sólid* fuerte* fortal* salud* sano* recuper* rescat*
        salv* alivi* paz pacífic* agradec* gracias amable* impresionant* notable* innova* eficien* eficaz*
        eficac* asequible* barat* apoy* confia* recomend* resuelt* premio* útil* entusias*""",
        """mal malo mala malos malas peor* terrible* horrible* pésim* fracas* fall* error* problema* crisis
        catástrofe* desastr* trági* tragedi* muert* murió mata* herid* víctima* sufr* dolor* daño* dañ* destru*
        ruina* derrumb* colaps* pérdida* perd* peligr* amenaz* riesgo* insegur* miedo* temor* teme temen
        preocup* enfad* ira furios* trist* luto desesper* decepcion* lament* quej* critic* crític* conden* acus*
        culp* fraude* corrup* escándalo* crimen* delito* ilegal* violen* guerra* ataque* conflicto* protest*
        pobre* desempleo paro deuda* quiebra* recesión caída* escasez sequía* inundaci* contamin* tóxic* retras*
        costos* caro cara* débil* inútil* feo* odio* difícil* dificult* abandon*""",
        "no nunca jamás nada nadie ningún ninguno ninguna ni sin tampoco apenas",
    ),
    "ru": _lexicon(
        """хорош* лучш* отличн* прекрасн* замечательн* великолепн* чудесн* красив* рад рада рады радост* счаст*
        доволь* любим* любов* успе* удач* побед* выигр* улучш* польз* преимуществ* прогресс* надежд* перспектив*
        оптимис* похвал* приветств* горд* безопасн* надежн* надёжн* прочн* сильн* здоров* восстанов* спас*
        облегч* мир мирн* благодар* дружелюб* впечатл* выдающ* инновац* эффективн* доступн* поддерж* довер*
        рекоменд* решен* прорыв* наград*""",
        """плох* хуж* ужас* страшн* кошмар* провал* неудач* ошиб* проблем* кризис* катастроф* трагич* трагед*
        смерт* погиб* умер* убит* убий* ранен* жертв* страда* боль болезн* вред* ущерб* поврежд* разруш* потер*
        потерп* опасн* угроз* угрож* риск* страх* боя* тревог* беспоко* гнев* возмущ* грус* печал* отчаян*
        разочаров* сожал* жалоб* критик* осужд* обвин* виновн* мошен* коррупц* скандал* преступ* незакон* насил*
        войн* атак* нападен* конфликт* протест* бедн* безработ* долги долгов долгам* банкрот* спад* дефицит*
        засух* наводнен* загрязн* токсич* задерж* слаб* бесполезн* ненавис* трудн* авари*""",
        "не ни нет без никогда никто ничего нельзя",
    ),
    "zh": _lexicon(
        """优秀 出色 良好 美好 美丽 精彩 喜欢 喜爱 热爱 高兴 快乐 幸福 满意 成功 胜利 获胜 赢得 改善 提高 提升
        受益 优势 进步 进展 希望 乐观 赞扬 称赞 表扬 欢迎 庆祝 自豪 骄傲 安全 可靠 稳定 强大 健康 恢复 拯救 获救
        和平 感谢 友好 令人印象深刻 创新 高效 有效 便宜 支持 信任 推荐 解决 突破 获奖 繁荣 便利 舒适 完美""",
        """糟糕 恶劣 可怕 失败 错误 失误 问题 危机 灾难 灾害 悲剧 死亡 遇难 丧生 受伤 伤害 受害 痛苦 损失 损坏
        损害 破坏 摧毁 倒塌 崩溃 危险 威胁 风险 恐惧 害怕 担忧 担心 焦虑 愤怒 悲伤 绝望 失望 遗憾 抱怨 投诉 批评
        谴责 指控 犯罪 欺诈 腐败 丑闻 非法 暴力 战争 袭击 冲突 抗议 贫困 失业 债务 破产 衰退 下滑 短缺 干旱 洪水
        污染 有毒 浪费 延误 昂贵 困难 疲软 泄漏 泄露""",
        "不 没 没有 无 并非 从未",
    ),
    "ja": _lexicon(
        """良い よい 素晴らし 優れ 美しい 楽しい 楽し 嬉し うれし 喜び 喜ぶ 喜ん 好き 幸せ 満足 成功 勝利 優勝
        改善 向上 利点 進歩 進展 希望 期待 楽観 称賛 評価され 歓迎 祝 誇り 安全 安心 信頼 安定 強み 健康 回復
        救助 平和 感謝 親切 印象的 革新 画期的 効率的 有効 安価 支援 推薦 解決 受賞 便利 快適 完璧 順調""",
        """悪い 悪化 ひどい 最悪 失敗 誤り 間違 問題 危機 災害 悲劇 死亡 死者 犠牲 負傷 怪我 被害 苦し 痛み 損失
        損害 損傷 破壊 倒壊 崩壊 危険 脅威 リスク 恐れ 恐怖 不安 心配 懸念 怒り 悲し 絶望 失望 残念 後悔 苦情
        批判 非難 告発 犯罪 詐欺 汚職 不祥事 違法 暴力 戦争 攻撃 対立 抗議 貧困 失業 借金 倒産 破産 不況 減少
        不足 干ばつ 洪水 汚染 有毒 無駄 遅れ 遅延 高価 困難 弱い 漏れ""",
        "ない なかった ません なく",
        negates_after=True,
    ),
}
