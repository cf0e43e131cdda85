"""Names, places and number ranges for invented people.

Mobile and landline ranges are valid in the `phonenumbers` metadata; e-mail domains are reserved (RFC 2606, RFC 6761),
so that no address can belong to a real person.
"""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str, separator: str | None = None) -> list[str]:
    return [word.strip() for word in text.split(separator)]


def _compounds(starts: str, ends: str) -> list[str]:
    return [start + end for start in _words(starts) for end in _words(ends)]


EMAIL_DOMAINS = _words(
    """
    example.com example.org example.net mail.example post.example inbox.example freemail.example
    homenet.example skymail.example letterbox.example citynet.example webpost.example uni.example
    bluemail.test quickmail.test
    """
)


@dataclass(frozen=True)
class Country:
    """A country: naming, phone numbers, locale and currency.

    `mobile_prefixes` are the first digits of national numbers, followed by `mobile_digits` free digits;
    `landline_digits` is the number of digits after a city's area code.
    """

    code: str
    name: str
    naming: str
    locale: str
    currency: str
    calling_code: str
    mobile_prefixes: tuple[str, ...]
    mobile_digits: int
    landline_digits: int


COUNTRIES = (
    Country("US", "United States", "english", "en-US", "USD", "1",
            ("2122", "2125", "3125", "3127", "4152", "4154", "6173", "2063", "5122", "3052"), 6, 6),
    Country("GB", "United Kingdom", "english", "en-GB", "GBP", "44",
            ("7400", "7960", "7711", "7801", "7802", "7803", "7850", "7900", "7901", "7958"), 6, 7),
    Country("DE", "Germany", "german", "de-DE", "EUR", "49",
            ("1511", "1512", "1514", "1515", "1516", "1517"), 7, 7),
    Country("FR", "France", "french", "fr-FR", "EUR", "33", ("61", "62", "66", "67", "68"), 7, 7),
    Country("ES", "Spain", "spanish", "es-ES", "EUR", "34", ("61", "62", "63", "65", "66"), 7, 6),
    Country("NL", "Netherlands", "dutch", "nl-NL", "EUR", "31", ("61", "62", "63", "64", "65"), 7, 6),
    Country("AU", "Australia", "english", "en-AU", "AUD", "61",
            ("410", "411", "412", "413", "414", "415", "417", "418"), 6, 7),
    Country("BR", "Brazil", "portuguese", "pt-BR", "BRL", "55",
            ("11961", "11971", "11981", "11991", "21961", "21971", "21981", "21991"), 6, 6),
)  # fmt: skip


@dataclass(frozen=True)
class City:
    """A city with the first characters of its postcodes, and the area code of its landlines."""

    country: str
    name: str
    region: str
    timezone: str
    postcode: str
    area_code: str
    weight: int


CITIES = (
    City("US", "New York", "NY", "America/New_York", "100", "2127", 11),
    City("US", "Boston", "MA", "America/New_York", "021", "6174", 5),
    City("US", "Miami", "FL", "America/New_York", "331", "3053", 4),
    City("US", "Chicago", "IL", "America/Chicago", "606", "3126", 6),
    City("US", "Austin", "TX", "America/Chicago", "787", "5124", 4),
    City("US", "Denver", "CO", "America/Denver", "802", "3034", 3),
    City("US", "San Francisco", "CA", "America/Los_Angeles", "941", "4155", 5),
    City("US", "Seattle", "WA", "America/Los_Angeles", "981", "2064", 4),
    City("GB", "London", "England", "Europe/London", "SE", "207", 9),
    City("GB", "Manchester", "England", "Europe/London", "M", "161", 4),
    City("GB", "Birmingham", "England", "Europe/London", "B", "121", 3),
    City("DE", "Berlin", "Berlin", "Europe/Berlin", "101", "304", 6),
    City("DE", "Hamburg", "Hamburg", "Europe/Berlin", "203", "404", 4),
    City("DE", "München", "Bayern", "Europe/Berlin", "803", "894", 4),
    City("FR", "Paris", "Île-de-France", "Europe/Paris", "750", "14", 5),
    City("FR", "Lyon", "Auvergne-Rhône-Alpes", "Europe/Paris", "690", "47", 3),
    City("ES", "Madrid", "Madrid", "Europe/Madrid", "280", "914", 3),
    City("ES", "Sevilla", "Andalucía", "Europe/Madrid", "410", "954", 2),
    City("NL", "Amsterdam", "Noord-Holland", "Europe/Amsterdam", "10", "206", 3),
    City("NL", "Utrecht", "Utrecht", "Europe/Amsterdam", "35", "302", 2),
    City("AU", "Sydney", "NSW", "Australia/Sydney", "20", "29", 3),
    City("AU", "Perth", "WA", "Australia/Perth", "60", "89", 2),
    City("BR", "São Paulo", "SP", "America/Sao_Paulo", "01", "1133", 3),
    City("BR", "Rio de Janeiro", "RJ", "America/Sao_Paulo", "20", "2132", 2),
)


def postcode_endings(country: str) -> list[str]:
    """The possible endings of a postcode after the first characters of the city."""
    if country == "GB":
        return [f"{a} {b}{c}" for a in range(1, 10) for b in range(1, 10) for c in ("AB", "DX", "JT", "LW", "QP")]
    if country == "NL":
        return [f"{a:02d} {b}" for a in range(11, 99) for b in ("AB", "CX", "GH", "KL", "RT", "VW")]
    if country == "BR":
        return [f"{a:03d}-{b:03d}" for a in range(0, 900, 7) for b in range(0, 1000, 90)]
    return [f"{a:02d}" for a in range(1, 60)]


# Common surnames first, in order of frequency; the compounds after them form the long tail.
SURNAMES = {
    "english": _words("""
        Smith Johnson Williams Jones Brown Davis Miller Wilson Taylor Anderson Thomas Jackson White Harris
        Martin Thompson Garcia Martinez Robinson Clark Rodriguez Lewis Lee Walker Hall Allen Young King
        Wright Scott Green Adams Baker Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker Evans
        Edwards Collins Stewart Morris Rogers Reed Cook Morgan Bell Murphy Bailey Cooper Richardson Cox
        Howard Ward Peterson Gray James Watson Brooks Kelly Sanders Price Bennett Wood Barnes Ross Henderson
        Coleman Jenkins Perry Powell Long Patterson Hughes Patel Khan Singh O'Connor O'Brien McDonald
        MacLeod Nguyen Kim
        """)
    + _compounds(
        """
        Ash Black Brad Brook Burn Chat Cliff Crow Elling Fair Gold Hamp Hart Hazel Hollin Kings Lang Marsh
        Middle North Oak Pem Red Rock Rother Shel Stan Stock Thorn Under Wake West Whit Win
        """,
        "ford ton ley wood field well worth bridge ham stead combe brook ridge by",
    ),
    "german": _words("""
        Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer
        Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt
        Werner Krause Meier Lehmann Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Yılmaz
        Kaya
        """)
    + _compounds(
        """
        Alt Berg Buch Burg Diet Eich Feld Hagen Hof Kirch Linden Neu Ober Rosen Stein Stock Tannen Unter
        Wald
        """,
        "mann bauer meier müller hofer berger steiner reiter huber dorfer egger auer",
    ),
    "french": _words("""
        Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy
        Roux David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller
        Lefèvre Faure André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Perrin
        Robin Clément
        """)
    + _compounds(
        """
        Beau Bel Bois Champ Clair Des Font Grand Haute Mont Neuf Roche Saint Val Ville
        """,
        "champ fort lieu mont pierre val bois court clair rieux",
    ),
    "spanish": _words("""
        García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández
        Díaz Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez
        Serrano Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín Sanz Núñez Iglesias
        Medina Garrido
        """),
    "dutch": _words(
        """
        Jansen, Visser, Smit, Meijer, Mulder, Bos, Vos, Peters, Hendriks, Dekker, Brouwer,
        Dijkstra, Kok, Jacobs, Vermeulen, Koster, Prins, Huisman, Postma, Kuipers, Veenstra,
        Kramer, Scholten, Verhoeven, Schouten, Willems, Hoekstra, Koning, Molenaar, Timmermans,
        de Jong, de Vries, van den Berg, van Dijk, Bakker, de Boer, van der Meer, van Leeuwen
        """,
        ",",
    )
    + _compounds(
        """
        Groene Hooge Ooster Rijn Wester Zuider
        """,
        "veld huis dam man berg",
    ),
    "portuguese": _words("""
        Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins
        Carvalho Almeida Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes
        Marques Machado Mendes Freitas Cardoso Ramos Gonçalves Teixeira Araújo Cavalcanti Monteiro Correia
        Pinto Moura
        """),
}

MALE_NAMES = {
    "english": _words("""
        James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew
        Anthony Mark Steven Paul Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason
        Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel
        Gregory Frank Alexander Raymond Patrick Jack Dennis Jerry Oliver Harry Callum Liam Ethan Noah Arjun
        Mohammed Luis Carlos Wei
        """),
    "german": _words("""
        Alexander Andreas Christian Daniel Dieter Felix Florian Frank Hans Jan Johannes Jonas Jürgen Klaus
        Leon Lukas Markus Martin Matthias Max Michael Niklas Paul Peter Philipp Sebastian Stefan Thomas Tim
        Tobias Uwe Wolfgang Mehmet Emre Moritz Jörg
        """),
    "french": _words("""
        Alain Alexandre Antoine Arthur Bernard Christophe Daniel David Étienne François Frédéric Gabriel
        Guillaume Hugo Jacques Jean Jérôme Julien Laurent Louis Lucas Marc Mathieu Michel Nicolas Olivier
        Pascal Philippe Pierre Raphaël Sébastien Thierry Thomas Vincent
        """),
    "spanish": _words("""
        Alejandro Álvaro Andrés Ángel Antonio Carlos Daniel David Diego Enrique Fernando Francisco Hugo
        Ignacio Javier Jesús Jorge José Juan Luis Manuel Mario Martín Miguel Pablo Pedro Rafael Raúl Sergio
        Tomás
        """),
    "dutch": _words("""
        Bart Bas Daan Dirk Erik Frank Gerrit Hans Hendrik Jan Jeroen Johan Joost Kees Lars Luuk Maarten Mark
        Niels Pieter Ruben Sander Sem Stefan Thijs Tim Willem Wouter
        """),
    "portuguese": _words("""
        André Antônio Bruno Caio Carlos Daniel Diego Eduardo Felipe Fernando Francisco Gabriel Guilherme
        Gustavo Henrique João José Leonardo Lucas Luiz Marcelo Marcos Mateus Paulo Pedro Rafael Ricardo
        Rodrigo Thiago Vitor
        """),
}

FEMALE_NAMES = {
    "english": _words("""
        Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Lisa Margaret Betty
        Sandra Ashley Dorothy Kimberly Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca
        Laura Sharon Cynthia Kathleen Amy Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha
        Katherine Christine Debra Rachel Catherine Carolyn Janet Ruth Maria Heather Olivia Victoria
        Charlotte Priya Aisha Sofia Mei Chloe
        """),
    "german": _words("""
        Andrea Angelika Anja Anna Barbara Birgit Brigitte Christine Claudia Emma Gabriele Hannah Heike Jana
        Julia Katharina Katrin Laura Lea Lena Lisa Maria Marie Martina Monika Nicole Nina Petra Sabine
        Sandra Sarah Silke Sophie Stefanie Susanne Ursula Ayşe Jördis
        """),
    "french": _words("""
        Alice Amélie Anne Aurélie Camille Caroline Catherine Céline Chloé Christine Claire Élise Emma
        Françoise Hélène Inès Isabelle Jeanne Julie Léa Louise Manon Marie Martine Mathilde Nathalie Pauline
        Sandrine Sophie Stéphanie Sylvie Valérie Véronique Zoé
        """),
    "spanish": _words("""
        Alba Ana Andrea Beatriz Carmen Clara Claudia Cristina Elena Eva Irene Isabel Julia Laura Lucía Luisa
        María Marta Mercedes Natalia Nuria Paula Pilar Raquel Rocío Rosa Sara Silvia Sofía Teresa
        """),
    "dutch": _words("""
        Anna Anouk Anke Bianca Carla Emma Esther Eva Femke Fleur Hanna Ilse Ingrid Iris Johanna Julia Karin
        Lieke Linda Lotte Maaike Maria Marieke Mila Monique Sanne Sara Saskia Sophie Wilma
        """),
    "portuguese": _words("""
        Adriana Aline Amanda Ana Beatriz Bianca Camila Carla Carolina Cláudia Cristina Daniela Eduarda
        Fernanda Gabriela Helena Isabela Juliana Larissa Letícia Luciana Maria Mariana Patrícia Paula
        Rafaela Renata Sandra Vanessa Vitória
        """),
}

NICKNAMES = dict(
    pair.split(":")
    for pair in _words(
        """
        James:Jim John:Jack Robert:Bob Michael:Mike William:Bill David:Dave Richard:Rick Joseph:Joe
        Thomas:Tom Charles:Charlie Christopher:Chris Daniel:Dan Matthew:Matt Anthony:Tony Steven:Steve
        Andrew:Andy Joshua:Josh Kenneth:Ken Edward:Ed Ronald:Ron Timothy:Tim Jeffrey:Jeff Nicholas:Nick
        Jonathan:Jon Stephen:Steve Benjamin:Ben Samuel:Sam Gregory:Greg Alexander:Alex Raymond:Ray
        Patrick:Pat Patricia:Pat Jennifer:Jen Elizabeth:Liz Barbara:Barb Susan:Sue Jessica:Jess
        Margaret:Maggie Sandra:Sandy Deborah:Debbie Kimberly:Kim Stephanie:Steph Rebecca:Becky
        Katherine:Kate Catherine:Cathy Christine:Chris Samantha:Sam Victoria:Vicky Kathleen:Kathy Pamela:Pam
        Sebastian:Basti Philipp:Phil Katharina:Kathi Maximilian:Max Johannes:Hannes Francisco:Paco José:Pepe
        Ignacio:Nacho Manuel:Manolo Hendrik:Henk Willem:Wim Alexandre:Alex Guilherme:Gui Fernanda:Nanda
        Eduardo:Edu Isabela:Isa Stefanie:Steffi
        """
    )
)

STREETS = {
    "english": _words(
        """
        Main, Oak, Maple, Cedar, Park, Church, High, Station, Victoria, Mill, Green, Lake, Hill,
        Washington, Elm, Spring, Chestnut, Queen, King, Bridge, Garden, River, Orchard, Sunset,
        Highland, Franklin, Union, Prospect, Albert, Windsor
        """,
        ",",
    ),
    "german": _words(
        """
        Hauptstraße, Bahnhofstraße, Gartenweg, Schulstraße, Dorfstraße, Bergstraße, Lindenstraße,
        Kirchweg, Waldstraße, Ringstraße, Schillerstraße, Goethestraße, Mozartweg, Rosenweg,
        Am Markt, Blumenstraße, Feldstraße, Wiesenweg
        """,
        ",",
    ),
    "french": _words(
        """
        rue de la République, rue Victor Hugo, avenue Jean Jaurès, rue de l'Église, rue du Moulin,
        place de la Mairie, boulevard Voltaire, rue des Lilas, rue Pasteur, avenue Foch,
        rue Molière, rue de la Gare, impasse des Acacias
        """,
        ",",
    ),
    "spanish": _words(
        """
        Calle Mayor, Calle Real, Avenida de la Constitución, Calle del Sol, Calle Nueva,
        Paseo del Prado, Calle Cervantes, Avenida de Andalucía, Calle de la Iglesia, Plaza España,
        Calle San Juan, Calle Goya
        """,
        ",",
    ),
    "dutch": _words(
        """
        Dorpsstraat, Kerkstraat, Molenweg, Julianalaan, Stationsweg, Schoolstraat, Beatrixlaan,
        Parklaan, Hoofdstraat, Nieuwstraat, Wilhelminastraat, Kastanjelaan, Prinsengracht,
        Marktplein
        """,
        ",",
    ),
    "portuguese": _words(
        """
        Rua das Flores, Avenida Paulista, Rua Augusta, Rua XV de Novembro, Avenida Brasil,
        Rua São José, Rua da Paz, Rua Sete de Setembro, Avenida Atlântica, Rua do Comércio,
        Rua Bela Vista, Rua Tiradentes
        """,
        ",",
    ),
}
ENGLISH_STREET_KINDS = ("Street", "Avenue", "Road", "Lane", "Drive", "Close")

JUNK_EMAILS = ("test@test.com", "none@none.com", "noreply@example.com", "anonymous", "N/A")
JUNK_PHONES = ("0000000000", "1234567890", "9999999999", "N/A")
JUNK_NAMES = ("N/A", "Anonymous", "Test", "Unknown")

SHOP_URL = "https://shop.example/"
PRODUCTS = (
    ("Trail Running Shoe", "SHO-101", 89.90),
    ("Merino Sweater", "APP-204", 74.50),
    ("Rain Jacket", "APP-310", 119.00),
    ("Canvas Backpack", "BAG-120", 64.00),
    ("Wool Socks", "APP-017", 12.90),
    ("Steel Bottle", "HOM-055", 24.00),
    ("Head Torch", "OUT-412", 34.95),
    ("Camping Stove", "OUT-230", 59.00),
    ("Yoga Mat", "FIT-018", 39.00),
    ("Linen Shirt", "APP-155", 49.00),
    ("Sun Hat", "APP-061", 27.50),
    ("Travel Mug", "HOM-071", 19.90),
)
