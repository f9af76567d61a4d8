/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MT7530: address table and VLAN table.
 */
#include "qemu/osdep.h"
#include "mt7530_int.h"

#define KEY_IVL         (1ull << 60)
#define KEY_VALID       (1ull << 61)

/* 2.20.4.1 of the guide: an address and its VLAN, or its filter if shared */
uint64_t mt7530_key(const uint8_t *mac, bool ivl, unsigned vid, unsigned fid)
{
    uint64_t key = KEY_VALID | (ivl ? KEY_IVL | (uint64_t)vid << 48
                                    : (uint64_t)fid << 48);

    for (int i = 0; i < 6; i++) {
        key |= (uint64_t)mac[i] << (40 - 8 * i);
    }
    return key;
}

static void forget(MT7530State *s, MT7530Entry *e)
{
    g_hash_table_remove(s->index, &e->key);
    memset(e, 0, sizeof(*e));
}

static int64_t seconds_left(MT7530State *s, MT7530Entry *e)
{
    uint32_t aac = *mt7530_reg(s, R_AAC);
    int64_t life = (int64_t)(e->age + 1) * ((aac & 0xfff) + 1);
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);

    return life - (now - e->learned) / 1000;
}

/* Ageing is done when somebody looks: nothing else can tell */
static bool is_old(MT7530State *s, MT7530Entry *e)
{
    return e->status == AT_DYNAMIC && e->age &&
           !(*mt7530_reg(s, R_AAC) & AAC_DIS) && seconds_left(s, e) <= 0;
}

static void age_all(MT7530State *s)
{
    for (unsigned i = 0; i < MT7530_ATC_ENTRIES; i++) {
        if (s->entries[i].key && is_old(s, &s->entries[i])) {
            forget(s, &s->entries[i]);
        }
    }
}

MT7530Entry *mt7530_lookup(MT7530State *s, uint64_t key)
{
    MT7530Entry *e = g_hash_table_lookup(s->index, &key);

    if (e && is_old(s, e)) {
        forget(s, e);
        return NULL;
    }
    return e;
}

static MT7530Entry *find_free(MT7530State *s)
{
    for (unsigned i = 0; i < MT7530_ATC_ENTRIES; i++) {
        if (!s->entries[i].key) {
            return &s->entries[i];
        }
    }
    return NULL;
}

static MT7530Entry *get_entry(MT7530State *s, uint64_t key)
{
    MT7530Entry *e = mt7530_lookup(s, key);

    if (e) {
        return e;
    }
    e = find_free(s);
    if (!e) {
        age_all(s);
        e = find_free(s);
    }
    if (e) {
        e->key = key;
        g_hash_table_insert(s->index, &e->key, e);
    }
    return e;
}

/* A source address was seen; static entries stay as they are */
void mt7530_learn(MT7530State *s, uint64_t key, unsigned port)
{
    MT7530Entry *e = get_entry(s, key);

    if (!e || e->status == AT_STATIC) {
        return;
    }
    e->status = AT_DYNAMIC;
    e->ports = 1u << port;
    e->age = *mt7530_reg(s, R_AAC) >> AAC_CNT_SHIFT;
    e->learned = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
}

static uint64_t key_of_ata(MT7530State *s)
{
    uint32_t a1 = *mt7530_reg(s, R_ATA1), a2 = *mt7530_reg(s, R_ATA2);
    uint8_t mac[6] = { a1 >> 24, a1 >> 16, a1 >> 8, a1, a2 >> 24, a2 >> 16 };

    return mt7530_key(mac, a2 & ATA2_IVL, a2 & 0xfff,
                      a2 >> ATA2_FID_SHIFT & (MT7530_FIDS - 1));
}

static void show_entry(MT7530State *s, MT7530Entry *e)
{
    uint32_t id = e->key >> 48 & 0xfff;
    uint32_t age = 0xff;

    if (e->status == AT_DYNAMIC) {
        uint32_t unit = (*mt7530_reg(s, R_AAC) & 0xfff) + 1;

        age = e->age ? MIN(e->age, MAX(seconds_left(s, e), 0) / unit) : 0;
    }
    *mt7530_reg(s, R_TSRA1) = e->key >> 16;
    *mt7530_reg(s, R_TSRA2) = (e->key & 0xffff) << 16 |
        (e->key & KEY_IVL ? ATA2_IVL | id : id << ATA2_FID_SHIFT);
    *mt7530_reg(s, R_ATRD) = age << AT_AGE_SHIFT | e->ports << AT_PORT_SHIFT |
                             e->status << AT_STATUS_SHIFT;
}

static uint32_t read_entry(MT7530State *s)
{
    MT7530Entry *e = mt7530_lookup(s, key_of_ata(s));

    if (!e) {
        return ATC_INVALID;
    }
    show_entry(s, e);
    return 0;
}

/* A status of 0 erases; an age of 0 does not age */
static uint32_t write_entry(MT7530State *s)
{
    uint32_t data = *mt7530_reg(s, R_ATWD);
    uint8_t status = data >> AT_STATUS_SHIFT & 3;
    uint64_t key = key_of_ata(s);
    MT7530Entry *e;

    if (status == AT_EMPTY) {
        e = mt7530_lookup(s, key);
        if (e) {
            forget(s, e);
        }
        return 0;
    }
    e = get_entry(s, key);
    if (!e) {
        return ATC_INVALID;
    }
    e->status = status;
    e->ports = data >> AT_PORT_SHIFT;
    e->age = data >> AT_AGE_SHIFT;
    e->learned = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    return 0;
}

static void flush(MT7530State *s)
{
    g_hash_table_remove_all(s->index);
    memset(s->entries, 0, sizeof(s->entries));
}

/* The next entry that is in use, and whether it is the last one */
static uint32_t search(MT7530State *s)
{
    for (; s->search < MT7530_ATC_ENTRIES; s->search++) {
        MT7530Entry *e = &s->entries[s->search];

        if (e->key) {
            show_entry(s, e);
            s->search++;
            return ATC_HIT;
        }
    }
    return ATC_END;
}

void mt7530_atc(MT7530State *s, uint32_t val)
{
    uint32_t result = 0;

    if (!(val & ATC_BUSY)) {
        *mt7530_reg(s, R_ATC) = val;
        return;
    }
    switch (val & ATC_CMD) {
    case ATC_READ:
        result = read_entry(s);
        break;
    case ATC_WRITE:
        result = write_entry(s);
        break;
    case ATC_FLUSH:
        flush(s);
        break;
    case ATC_FIRST:
        age_all(s);
        s->search = 0;
        result = search(s);
        break;
    case ATC_NEXT:
        result = search(s);
        break;
    }
    /* done before an MDIO frame could ask */
    *mt7530_reg(s, R_ATC) = (val & 0xfff) | result;
}

void mt7530_vtcr(MT7530State *s, uint32_t val)
{
    unsigned vid = val & (MT7530_VLANS - 1);

    *mt7530_reg(s, R_VTCR) = val & ~VTCR_BUSY;
    if (!(val & VTCR_BUSY)) {
        return;
    }
    switch (val >> VTCR_FUNC_SHIFT & 0xf) {
    case VTCR_READ:
        *mt7530_reg(s, R_VAWD1) = s->vawd1[vid];
        *mt7530_reg(s, R_VAWD2) = s->vawd2[vid];
        break;
    case VTCR_WRITE:
        s->vawd1[vid] = *mt7530_reg(s, R_VAWD1);
        s->vawd2[vid] = *mt7530_reg(s, R_VAWD2);
        break;
    case VTCR_INVALIDATE:
        s->vawd1[vid] &= ~VAWD1_VALID;
        break;
    case VTCR_VALIDATE:
        s->vawd1[vid] |= VAWD1_VALID;
        break;
    }
}

void mt7530_table_init(MT7530State *s)
{
    s->index = g_hash_table_new(g_int64_hash, g_int64_equal);
}

void mt7530_table_reset(MT7530State *s)
{
    flush(s);
    memset(s->vawd1, 0, sizeof(s->vawd1));
    memset(s->vawd2, 0, sizeof(s->vawd2));
}
