# SPDX-License-Identifier: Apache-2.0
# Include direction. Input: lines FILE:LINE:#include "HEADER"; the variable
# `layers` names the list of layers (src/layers.txt says how it reads).

function folder_of(path)
{
    if (path !~ /\//)
        return ""
    sub(/\/[^\/]*$/, "", path)
    return path
}

# The layer of a folder, or of the nearest one around it; 0: not in the list.
function rank_of_folder(folder)
{
    while (folder != "") {
        if (folder in rank)
            return rank[folder]
        folder = folder_of(folder)
    }
    return 0
}

# The layer of include/muster/NAME.h.
function rank_of_public(name,    i)
{
    for (i = 1; i <= patterns; i++)
        if (name ~ ("^" pattern[i] "$"))
            return pattern_rank[i]
    return 0
}

function read_layers(    line, part, word, n, i)
{
    while ((getline line < layers) > 0) {
        if (line ~ /^#/ || line !~ /:/)
            continue
        level++
        split(line, part, ":")
        n = split(part[1], word, " ")
        for (i = 1; i <= n; i++)
            rank[word[i]] = level
        n = split(part[2], word, " ")
        for (i = 1; i <= n; i++) {
            pattern[++patterns] = word[i]
            gsub(/\*/, ".*", pattern[patterns])
            pattern_rank[patterns] = level
        }
    }
}

function base_name(path)
{
    sub(/^.*\//, "", path)
    sub(/\.h$/, "", path)
    return path
}

BEGIN {
    read_layers()
}

{
    split($0, field, ":")
    file = field[1]
    at = file ":" field[2] ": "
    header = $0
    sub(/^[^"]*"/, "", header)
    sub(/".*$/, "", header)

    if (file ~ /^include\/muster\//) {
        from = rank_of_public(base_name(file))
        home = "include/muster"
    } else {
        home = folder_of(file)
        from = rank_of_folder(home)
    }
    if (!from) {
        print at "is in no layer of " layers
        next
    }

    if (header ~ /^muster\//) {
        to = rank_of_public(base_name(header))
        if (!to)
            print at header " is in no layer of " layers
        else if (to > from)
            print at "includes upwards: " header
        next
    }

    # "folder/x.h" from the top or from src/; "x.h" lies beside the file.
    target = folder_of(header)
    if (target == "")
        next
    if (("src/" target) in rank)
        target = "src/" target
    if (home == target || index(home, target "/") == 1 ||
        index(target, home "/") == 1)
        next
    to = rank_of_folder(target)
    if (!to)
        print at header " is in no layer of " layers
    else if (to > from)
        print at "includes upwards: " header
    else if (to == from && from != rank["tests"])
        print at "includes sideways: " header
}
