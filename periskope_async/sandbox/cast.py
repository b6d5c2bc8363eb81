"""The made-up organisation: its phones, labels and people, and the words for chats' names and messages.

The organisation, its first phone and that phone's id are those of the recorded answer: a value copied from the
documentation works against the sandbox.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "AGENTS",
    "COLORS",
    "COUNTRY_CODES",
    "GROUP_NAMES",
    "LABELS",
    "LINES",
    "ORG_ID",
    "PEOPLE",
    "PHONES",
    "PROPERTIES",
    "Label",
    "Phone",
    "phone_of",
]


class Phone(NamedTuple):
    """One WhatsApp number of the organisation: its id, and its number as rows carry it (``digits@c.us``)."""

    phone_id: str
    org_phone: str


class Label(NamedTuple):
    """A label's id and its visible name."""

    label_id: str
    name: str


ORG_ID = "2997dd64-89bf-48d3-9a22-b314fca017e5"

PHONES = (
    Phone("phone-bqzvyibhmwkaergr", "918527184400@c.us"),
    Phone("phone-kxwtnaqpeldyhvms", "919971844008@c.us"),
    Phone("phone-ucjrgzofyhxbtike", "447700900123@c.us"),
)

LABELS = (
    Label("label-kbvlbnvesomvgqpt", "VIP"),
    Label("label-hqzrwyxdnbtuacme", "Lead"),
    Label("label-ypfgslktoiwqjnzr", "Support"),
    Label("label-dmvxaecuhrybkgop", "Follow up"),
    Label("label-tzjnqwlsfikdvyhb", "Onboarding"),
    Label("label-oarkgmpxwecuzitl", "भुगतान"),
    Label("label-wnyhbdqvsjfrtkax", "Оплачено"),
    Label("label-ielczumgpohxqyvd", "合作伙伴"),
)

AGENTS = ("asha@example.com", "bilal@example.com", "chen@example.com", "dasha@example.com")

PROPERTIES = (
    ("property-tlkuqnhzrwvbmeay", ("gold", "silver", "bronze")),
    ("property-sdwyopcgxkjfaltn", ("Delhi", "München", "東京", "القاهرة")),
    ("property-vrmizbueqhtnoydc", ("2025-03-14", "2025-11-02")),
)

# The colours of the official types.
COLORS = (
    "#B4876E",
    "#A5B337",
    "#06CF9C",
    "#25D366",
    "#02A698",
    "#7D9EF1",
    "#007BFC",
    "#5E47DE",
    "#7F66FF",
    "#9333EA",
    "#FA6533",
    "#C4532D",
    "#DC2626",
    "#FF2E74",
    "#DB2777",
)

COUNTRY_CODES = ("91", "44", "971", "7", "86")

GROUP_NAMES = (
    "Test Czech Republic",
    "Order desk",
    "Logistics North",
    "Höhenweg Bäckerei",
    "ग्राहक सेवा दिल्ली",
    "परीक्षण समूह",
    "فريق المبيعات",
    "خدمة العملاء",
    "客户支持群",
    "東京オフィス",
    "Отдел продаж",
    "Склад Москва",
    "🚀 Launch crew",
    "Weekend plans 🏖️👨‍👩‍👧",
    'The "quoted" \\ group',
    "Family",
)

PEOPLE = (
    "Asha Verma",
    "José Álvarez",
    "O'Neill, Zoë",
    "राहुल शर्मा",
    "प्रिया",
    "محمد العلي",
    "فاطمة",
    "王小明",
    "李娜",
    "Иван Петров",
    "Ольга",
    "Sam 🌻",
    "Jennifer East",
    "Nguyễn Văn An",
)

LINES = (
    "Hello, East Jenniferfurt!",
    "morning broadcast",
    "123",
    "Hey",
    "Can you send the invoice again?",
    "कल सुबह मिलते हैं",
    "شكرا جزيلا",
    "好的, 明天见",
    "Спасибо, всё получил",
    "👍🏽",
    "two lines\nand a tab\there",
    'he said "yes" \\ no',
    "Your order #4821 is on its way 🚚",
    "",
)


def phone_of(header: str) -> Phone | None:
    """Find the phone of an ``x-phone`` header: digits, ``digits@c.us``, or a ``phone_id``; None if foreign."""
    wanted = header.strip()
    for phone in PHONES:
        if wanted in {phone.phone_id, phone.org_phone, phone.org_phone.removesuffix("@c.us")}:
            return phone
    return None
