"""Invented names: people, towns, streets, bicycles. Parts that are put together, so that few words make many names."""

from __future__ import annotations

FIRST_STEMS = (
    "Al", "An", "Ar", "Bel", "Ber", "Bran", "Cal", "Cas", "Cor", "Dar", "Del", "Dor", "El", "Em", "Er", "Fan",
    "Fel", "Flor", "Gar", "Gin", "Hal", "Har", "Hen", "Il", "Is", "Jan", "Jor", "Kal", "Kar", "Lan", "Lau", "Len",
    "Lor", "Mal", "Mar", "Mel", "Mir", "Nad", "Nor", "Ol", "Or", "Pen", "Per", "Quin", "Ral", "Ren", "Ros", "Sab",
    "Sel", "Ser", "Tam", "Ter", "Tor", "Ul", "Val", "Ver", "Vin", "Wal", "Wen", "Yor", "Zan", "Zel",
)  # fmt: skip
FIRST_ENDINGS = (
    "a", "anda", "anne", "ard", "aro", "bert", "da", "delle", "den", "dine", "do", "elia", "en", "ena", "etta",
    "ia", "ian", "ina", "is", "ita", "linde", "lo", "mira", "o", "on", "ric", "rick", "son", "ta", "ton", "ver",
    "ya",
)  # fmt: skip
LAST_STEMS = (
    "Ames", "Ash", "Bar", "Birch", "Black", "Brad", "Brook", "Cald", "Carl", "Chad", "Clay", "Crow", "Dal", "Den",
    "Dun", "East", "Elder", "Fair", "Fen", "Field", "Glad", "Gold", "Gran", "Hale", "Hart", "Hazel", "Hol", "Kings",
    "Lark", "Lin", "Long", "Mead", "Mill", "Moor", "Nether", "Oak", "Over", "Pem", "Quill", "Raven", "Red", "Rock",
    "Row", "Sand", "Shel", "Stan", "Stone", "Thorn", "Under", "Wake", "Water", "West", "White", "Wind", "Wood",
    "Wren", "Yar", "York",
)  # fmt: skip
LAST_ENDINGS = (
    "er", "burn", "by", "combe", "croft", "dale", "den", "don", "field", "ford", "gate", "ham", "hurst", "ley",
    "man", "mere", "more", "ridge", "shaw", "sley", "son", "stead", "stock", "ton", "wick", "worth",
)  # fmt: skip
# One last name in sixty is of this kind: its apostrophe goes into the e-mail address too.
LAST_WITH_APOSTROPHE = ("O'barra", "O'cairn", "O'dellan", "O'finley", "O'gorran", "O'marrick", "O'tully")

MAIL_DOMAINS = ("post.example", "letters.example", "inbox.example", "courier.example", "wire.example")

TOWN_STEMS = (
    "Alder", "Amber", "Bay", "Beacon", "Bell", "Blue", "Canyon", "Cedar", "Clear", "Copper", "Coral", "Eagle",
    "Ever", "Falcon", "Fern", "Fox", "Glen", "Granite", "Heron", "High", "Iron", "Juniper", "Lake", "Laurel",
    "Lone", "Maple", "Mist", "North", "Otter", "Palm", "Pine", "Prairie", "Quarry", "Rain", "Ridge", "Sage",
    "Silver", "Spring", "Star", "Summer", "Sun", "Timber", "Willow",
)  # fmt: skip
TOWN_ENDINGS = (
    " Bay", " Bluff", "brook", " City", " Creek", "dale", " Falls", "field", " Grove", " Heights", " Park", "port",
    " Springs", "ton", "view", "ville",
)  # fmt: skip
STREETS = (
    "Acacia", "Anchor", "Aspen", "Bakery", "Barn", "Bluebell", "Boathouse", "Bridge", "Buttercup", "Candle",
    "Cannery", "Cherry", "Cliff", "Clover", "Cooper", "Cottonwood", "Cricket", "Dairy", "Dogwood", "Dove",
    "Evergreen", "Fiddler", "Finch", "Foundry", "Garden", "Ginger", "Harbor", "Harvest", "Hickory", "Honeysuckle",
    "Ivy", "Jasmine", "Kettle", "Lantern", "Lavender", "Lilac", "Linden", "Magnolia", "Mallard", "Meadow",
    "Mulberry", "North Field", "Old Mill", "Orchard", "Osprey", "Pear Tree", "Pebble", "Pepper", "Poplar",
    "Primrose", "Quail", "Railway", "Raspberry", "Rope Walk", "Sawmill", "Shepherd", "South Gate", "Sparrow",
    "Sycamore", "Tailor", "Thistle", "Tulip", "Union", "Violet", "Wagon", "Walnut", "West Shore", "Wheel",
    "Wild Rose", "Windmill",
)  # fmt: skip
STREET_KINDS = ("Ave.", "Court", "Dr.", "Drive", "Lane", "Rd.", "Road", "St.", "Street")

# State, share of the customers, first two digits of its zip codes.
STATES = (("CA", 0.197, (90, 95)), ("NY", 0.705, (10, 14)), ("TX", 0.098, (75, 79)))

BRANDS = (
    "Arrowline",
    "Bramble & Sons",
    "Corvid",
    "Dynamo",
    "Fairlane Cycles",
    "Halcyon",
    "Larkspur",
    "Northpass",
    "Tempest",
)
CATEGORIES = (
    "Balance Bikes",
    "City Bikes",
    "Cruisers",
    "Electric Bikes",
    "Gravel Bikes",
    "Touring Bikes",
    "Trail Bikes",
)
# Brand, category and how many of a thousand products are theirs: two brands have four of five products.
RANGE = (
    (1, 3, 200), (1, 2, 65), (1, 1, 87), (1, 4, 16), (2, 1, 12), (2, 7, 19), (3, 7, 9), (4, 3, 9), (5, 7, 3),
    (6, 1, 9), (7, 3, 34), (7, 2, 28), (7, 1, 3), (7, 4, 6), (8, 7, 44), (8, 6, 22), (8, 5, 12), (9, 6, 165),
    (9, 7, 109), (9, 1, 72), (9, 4, 56), (9, 5, 19),
)  # fmt: skip
MODELS = (
    "Albatross", "Avalanche", "Badger", "Bobcat", "Bravo", "Cascade", "Comet", "Dragonfly", "Drifter", "Echo",
    "Ember", "Ferry", "Gale", "Gopher", "Harrier", "Jackdaw", "Kestrel", "Ladybird", "Lynx", "Marten", "Meteor",
    "Nomad", "Orbit", "Pathfinder", "Pilgrim", "Puffin", "Quest", "Rambler", "Roamer", "Scout", "Sirocco",
    "Skylark", "Summit", "Swift", "Tern", "Vagabond", "Wayfarer", "Zephyr",
)  # fmt: skip
VARIANTS = (
    "", "", " 3", " 5", " 7", " 27.5+", " SL", " SL 6", " 8-Speed", " 21D", " 7D EQ", " Disc", " Carbon Frameset",
    " Frameset", " Women's", " Men's", " (24-Inch)", " Girl's 1", " Boy's 3i",
)  # fmt: skip
# Least and most dollars of a category, by its number.
PRICES = ((89, 490), (399, 900), (250, 2600), (1500, 5000), (999, 4000), (750, 12000), (379, 5500))
