# SPDX-License-Identifier: Apache-2.0
# Flash and RAM by part, from a GNU ld map. First file: src/core.txt, which
# says to what layer an object of the core belongs; second: the map.
# Variables: json (0 or 1), stack and heap (bytes, measured); flash_max and
# ram_max, of the core and of the receiver beside its page buffer: exit code 1
# beyond them (0: no bound).

# The part that an input section is charged to.
function part_of(file,    name)
{
    name = file
    sub(/^.*\(/, "", name)
    sub(/^.*\//, "", name)
    sub(/\)$/, "", name)
    sub(/\.(obj|o)$/, "", name)
    if (file ~ /libmuster_core\.a/)
        return layer[name]
    if (file ~ /libmbedcrypto/)
        return "mbedtls"
    if (file ~ /libmuster_board/)
        return name ~ /^(cipher|crypto_psa|hash|pkey)\.c$/ ? "psa" : "board"
    if (file ~ /receive\.c/)
        return "application"
    return "libc"
}

function charge(section, size, file,    part)
{
    part = part_of(file)
    if (!(part in flash)) {
        flash[part] = ram[part] = 0
        parts[++count] = part
    }
    if (section !~ /^\.bss/ && section != "COMMON")
        flash[part] += size
    if (section ~ /^\.(bss|data)/ || section == "COMMON")
        ram[part] += size
    if (section ~ /^\.bss\./)
        object[substr(section, 6)] = size
}

# mawk has no strtonum.
function hex(text,    n, i)
{
    text = tolower(substr(text, 3))
    for (i = 1; i <= length(text); i++)
        n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return n
}

function row(name, a, b)
{
    if (json)
        printf "%s\"%s\":{\"flash\":%d,\"ram\":%d}", sep, name, a, b
    else
        printf "%-14s %8d %8d\n", name, a, b
    sep = ","
}

FNR == NR {
    if ($0 ~ /^[a-z]/) {
        split($0, path, "/")
        layer[path[2]] = path[1]
    }
    next
}

/^Linker script and memory map/ { mapped = 1 }
!mapped { next }
/^\.debug|^\.comment|^\.ARM\.attributes/ { exit }

# " .text.name  0xaddr  0xsize file", the name on a line of its own when long.
/^ [.C][^ ]+$/ { section = $1; next }
/^ [.C*]/ && NF >= 4 && $2 ~ /^0x/ { charge($1, hex($3), $4); section = "" }
/^ +0x/ && section != "" && $2 ~ /^0x/ && NF >= 3 {
    charge(section, hex($2), $3)
    section = ""
}

END {
    # What only the test rig has is no part of a device.
    heap_static = object["psa_heap"]
    rig_ram = ram["board"]
    order = "base crypto wire keys oscore cast node application psa mbedtls libc"
    n = split(order, name, " ")
    if (json)
        printf "{\"target\":\"Cortex-M3, gcc -Os\",\"parts\":{"
    else
        printf "%-14s %8s %8s   bytes, Cortex-M3, gcc -Os\n", "part", "flash", "ram"
    for (i = 1; i <= n; i++) {
        if (!(name[i] in flash))
            continue
        row(name[i], flash[name[i]], ram[name[i]])
        all_flash += flash[name[i]]
        all_ram += ram[name[i]]
        if (name[i] ~ /^(base|crypto|wire|keys|oscore|cast|node)$/)
            core_flash += flash[name[i]]
    }
    engine = object["receive_cast"]
    keys = object["receive_state"]
    packet = object["receive_packet"]
    page = object["receive_work"]
    receiver = engine + keys + packet
    over = flash_max > 0 && core_flash > flash_max || ram_max > 0 && receiver > ram_max
    if (json) {
        printf "},\"core_flash\":%d,\"flash\":%d,\"static_ram\":%d", core_flash, all_flash, all_ram
        printf ",\"receiver_ram\":%d,\"receiver_engine\":%d,\"receiver_keys\":%d,\"receiver_packet\":%d,\"page_buffer\":%d",
            receiver, engine, keys, packet, page
        printf ",\"stack\":%d,\"heap\":%d,\"ram\":%d}\n", stack, heap, all_ram + stack + heap
        exit over
    }
    printf "%-14s %8d %8d\n", "stack", 0, stack
    printf "%-14s %8d %8d   of Mbed TLS, at its peak\n", "heap", 0, heap
    printf "%-14s %8d %8d\n\n", "all", all_flash, all_ram + stack + heap
    printf "our core: %d bytes of flash. The receiver's RAM: %d (engine %d, keys and digest %d, packet %d), ", core_flash, receiver, engine, keys, packet
    printf "page buffer %d.\n", page
    printf "The test board's own start-up and files (%d, %d) are not counted.\n", flash["board"], rig_ram - heap_static
    exit over
}
